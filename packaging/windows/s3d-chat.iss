; Inno Setup's recipe: installs for one user, so nobody asks for an administrator.
; iscc /DVersion=0.1.0 /DSource=<folder of the bundle> /DIcon=<.ico> /O<folder for the setup> s3d-chat.iss

[Setup]
AppId={{7C1F5C0E-5A53-4D0B-9B0A-53D0C4A7D5E1}
AppName=S3D Chat
AppVersion={#Version}
AppPublisher=The S3D Chat project
DefaultDirName={autopf}\S3D Chat
DefaultGroupName=S3D Chat
PrivilegesRequired=lowest
; What Qt 6 and Python need: Windows 10 of 1809.
MinVersion=10.0.17763
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
OutputBaseFilename=S3D-Chat-{#Version}-windows-x86_64-setup
SetupIconFile={#Icon}
UninstallDisplayIcon={app}\s3d-chat.exe
LicenseFile={#Source}\_internal\LICENSE
Compression=lzma2/fast
SolidCompression=yes
WizardStyle=modern
DisableProgramGroupPage=yes
CloseApplications=yes
; More than 2 GiB would have to be cut into slices.
DiskSpanning=no

[Languages]
Name: en; MessagesFile: "compiler:Default.isl"
Name: de; MessagesFile: "compiler:Languages\German.isl"

[InstallDelete]
; A library of the version before, beside those of this one, would be found and loaded.
Type: filesandordirs; Name: "{app}\_internal"

[Files]
Source: "{#Source}\*"; DestDir: "{app}"; Flags: recursesubdirs createallsubdirs ignoreversion

[Icons]
Name: "{group}\S3D Chat"; Filename: "{app}\s3d-chat.exe"
Name: "{autodesktop}\S3D Chat"; Filename: "{app}\s3d-chat.exe"; Tasks: desktop

[Tasks]
Name: desktop; Description: "{cm:CreateDesktopIcon}"; Flags: unchecked

[Run]
Filename: "{app}\s3d-chat.exe"; Description: "{cm:LaunchProgram,S3D Chat}"; Flags: nowait postinstall skipifsilent

; Chats and models are in the user's own folder and stay when the program is removed.
