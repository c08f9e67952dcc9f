@echo off
rem Sets up this checkout where needed, then opens the window or runs a command. "start.bat help" tells more.
setlocal EnableExtensions DisableDelayedExpansion
set "root=%~dp0"
set "venv_python=%root%.venv\Scripts\python.exe"
set "command=%~1"
if not defined command set "command=window"

if /i "%command%"=="help" goto usage
if /i "%command%"=="-h" goto usage
if /i "%command%"=="--help" goto usage
if "%command%"=="/?" goto usage
if /i "%command%"=="window" goto window
if /i "%command%"=="test" goto test
for %%c in (ask chat serve models bench train adapter) do if /i "%command%"=="%%c" goto terminal
>&2 echo There is no command "%command%": "start.bat help" lists them.
exit /b 2

:usage
echo S3D Chat: chat with local language models that draft for themselves.
echo(
echo   start.bat                     open the window
echo   start.bat ask "a question"    answer in the terminal; --json for programs, - reads the question from stdin
echo   start.bat chat                a chat in the terminal
echo   start.bat serve               serve the model to other programs by the OpenAI API
echo   start.bat models              list the installed models; pull, import, verify and remove others
echo   start.bat bench               measure the drafting strategies side by side
echo   start.bat train               train a draft adapter
echo   start.bat adapter             draft adapters in the format of peft, and back
echo   start.bat test [options]      check style and types and run the tests; options go to pytest
echo   start.bat help                this text
echo(
echo "start.bat ask --help", and likewise for the others, lists a command's options.
echo The first start sets everything up in .venv here. Models go to the user's data folder, or to %%S3D_HOME%%.
exit /b 0

:window
call :prepare window
if errorlevel 1 goto held
"%venv_python%" -P -m app.models.embedded --if-missing
if errorlevel 1 >&2 echo The window opens without the default model.
"%venv_python%" -P -m app
exit /b %errorlevel%

rem Started by a double click, the console would close before its message could be read.
:held
set "failed=%errorlevel%"
echo %cmdcmdline% | find /i "/c" >nul && pause
exit /b %failed%

:terminal
call :prepare command
if errorlevel 1 exit /b %errorlevel%
"%venv_python%" -P -m app.cli %*
exit /b %errorlevel%

:test
call :prepare test
if errorlevel 1 exit /b %errorlevel%
"%venv_python%" -P -m app.models.embedded --if-missing
if errorlevel 1 exit /b %errorlevel%
rem %* keeps its first word after a shift, so the options are gathered by hand.
set "options="
:gather
shift
if "%~1"=="" goto gathered
set options=%options% %1
goto gather
:gathered
pushd "%root%"
set "failed=0"
"%venv_python%" -m ruff check . || set "failed=1"
"%venv_python%" -m ruff format --check . || set "failed=1"
"%venv_python%" -m mypy || set "failed=1"
"%venv_python%" -m pytest%options%
if errorlevel 1 set "failed=%errorlevel%"
popd
exit /b %failed%

rem Returns at once when there is nothing to do.
:prepare
if not exist "%venv_python%" goto set_up
"%venv_python%" -I -S "%root%tools\prepare.py" --for %1 --check >nul 2>nul
if not errorlevel 1 exit /b 0
:set_up
set "python="
for %%v in (3.13 3.12 3.14 3.11) do if not defined python call :try py -%%v
if not defined python call :try python3
if not defined python call :try python
if not defined python (
    >&2 echo S3D Chat needs a 64-bit Python 3.11 to 3.14: type "winget install Python.Python.3.13", then start again.
    exit /b 1
)
%python% -I "%root%tools\prepare.py" --for %1
exit /b %errorlevel%

rem Keeps the command in "python" if it is a Python that can set things up.
:try
%* -I -c "import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15) or sys.maxsize < 2**32)" >nul 2>nul
if not errorlevel 1 set "python=%*"
exit /b 0
