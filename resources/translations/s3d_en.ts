<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en" sourcelanguage="en">
    <context>
        <name>ChatFiles</name>
        <message numerus="yes">
            <source>%n chat(s) were imported.</source>
            <translation>
                <numerusform>%n chat was imported.</numerusform>
                <numerusform>%n chats were imported.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>Chats</name>
        <message numerus="yes">
            <source>%n chat(s) found</source>
            <translation>
                <numerusform>%n chat found</numerusform>
                <numerusform>%n chats found</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>Speed</name>
        <message numerus="yes">
            <source>Last %n round(s): {wrote}.</source>
            <translation>
                <numerusform>Last round: {wrote}.</numerusform>
                <numerusform>Last %n rounds: {wrote}.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n token(s)</source>
            <translation>
                <numerusform>%n token</numerusform>
                <numerusform>%n tokens</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n token(s) in {ms} ms</source>
            <translation>
                <numerusform>%n token in {ms} ms</numerusform>
                <numerusform>%n tokens in {ms} ms</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n layer(s) skipped</source>
            <translation>
                <numerusform>%n layer skipped</numerusform>
                <numerusform>%n layers skipped</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>Thought</name>
        <message numerus="yes">
            <source>Thinking: %n word(s)</source>
            <translation>
                <numerusform>Thinking: %n word</numerusform>
                <numerusform>Thinking: %n words</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Thought: %n word(s)</source>
            <translation>
                <numerusform>Thought: %n word</numerusform>
                <numerusform>Thought: %n words</numerusform>
            </translation>
        </message>
    </context>
</TS>
