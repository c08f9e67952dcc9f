<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
    <context>
        <name>Bringing</name>
        <message>
            <source>A GGUF file …</source>
            <translation>Eine GGUF-Datei …</translation>
        </message>
        <message>
            <source>A folder with safetensors …</source>
            <translation>Ein Ordner mit safetensors …</translation>
        </message>
        <message>
            <source>Copy {name} into the library, or use it where it lies?</source>
            <translation>{name} in die Bibliothek kopieren oder dort benutzen, wo es liegt?</translation>
        </message>
        <message>
            <source>A copy is checked against its digests later on; one used in place takes no more disk.</source>
            <translation>Eine Kopie lässt sich später an ihren Prüfsummen prüfen; an Ort und Stelle benutzt braucht es keinen weiteren Speicherplatz.</translation>
        </message>
        <message>
            <source>Copy</source>
            <translation>Kopieren</translation>
        </message>
        <message>
            <source>Use in place</source>
            <translation>Dort benutzen</translation>
        </message>
        <message>
            <source>{name} is imported.</source>
            <translation>{name} ist importiert.</translation>
        </message>
        <message>
            <source>Import a GGUF file</source>
            <translation>GGUF-Datei importieren</translation>
        </message>
        <message>
            <source>Models (*.gguf)</source>
            <translation>Modelle (*.gguf)</translation>
        </message>
        <message>
            <source>Import a folder with safetensors</source>
            <translation>Ordner mit safetensors importieren</translation>
        </message>
    </context>
    <context>
        <name>CatalogueRow</name>
        <message>
            <source>{parameters} parameters</source>
            <translation>{parameters} Parameter</translation>
        </message>
        <message>
            <source>about {size}</source>
            <translation>etwa {size}</translation>
        </message>
        <message>
            <source>asks for a token</source>
            <translation>verlangt ein Token</translation>
        </message>
        <message>
            <source>Download</source>
            <translation>Herunterladen</translation>
        </message>
        <message>
            <source>Fetch {repo} from the hub</source>
            <translation>{repo} vom Hub holen</translation>
        </message>
    </context>
    <context>
        <name>Chat</name>
        <message>
            <source>the program was closed while this was written</source>
            <translation>das Programm wurde geschlossen, während dies geschrieben wurde</translation>
        </message>
        <message>
            <source>ended by an error</source>
            <translation>durch einen Fehler beendet</translation>
        </message>
        <message>
            <source>edited by you</source>
            <translation>von Ihnen bearbeitet</translation>
        </message>
        <message>
            <source>The model had nothing to say</source>
            <translation>Das Modell hatte nichts zu sagen</translation>
        </message>
        <message>
            <source>Write a Python function that merges two sorted lists, and explain it.</source>
            <translation>Schreibe eine Python-Funktion, die zwei sortierte Listen zusammenführt, und erkläre sie.</translation>
        </message>
        <message>
            <source>Give me five ideas for a rainy Sunday, as a list.</source>
            <translation>Gib mir fünf Ideen für einen verregneten Sonntag, als Liste.</translation>
        </message>
        <message>
            <source>Explain why the sky is blue to a curious child.</source>
            <translation>Erkläre einem neugierigen Kind, warum der Himmel blau ist.</translation>
        </message>
        <message>
            <source>Looking for a model …</source>
            <translation>Ein Modell wird gesucht …</translation>
        </message>
        <message>
            <source>Fetching the model …</source>
            <translation>Das Modell wird geholt …</translation>
        </message>
        <message>
            <source>Loading the model …</source>
            <translation>Das Modell wird geladen …</translation>
        </message>
        <message>
            <source>Measuring plain decoding on this machine …</source>
            <translation>Die einfache Geschwindigkeit dieses Rechners wird gemessen …</translation>
        </message>
        <message>
            <source>No model is loaded: choose one at the top.</source>
            <translation>Kein Modell ist geladen: Wählen Sie oben eines.</translation>
        </message>
    </context>
    <context>
        <name>ChatDelegate</name>
        <message>
            <source>Title</source>
            <translation>Titel</translation>
        </message>
        <message>
            <source>Enter keeps the title, Escape leaves it as it was</source>
            <translation>Enter übernimmt den Titel, Escape lässt ihn, wie er war</translation>
        </message>
    </context>
    <context>
        <name>ChatFiles</name>
        <message>
            <source>Markdown (*.md)</source>
            <translation>Markdown (*.md)</translation>
        </message>
        <message>
            <source>“{name}” is in the clipboard.</source>
            <translation>„{name}“ ist in der Zwischenablage.</translation>
        </message>
        <message>
            <source>Chats (*.json)</source>
            <translation>Chats (*.json)</translation>
        </message>
        <message>
            <source>Import chats</source>
            <translation>Chats importieren</translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) were imported.</source>
            <translation>
                <numerusform>%n Chat wurde importiert.</numerusform>
                <numerusform>%n Chats wurden importiert.</numerusform>
            </translation>
        </message>
        <message>
            <source>Export</source>
            <translation>Exportieren</translation>
        </message>
        <message>
            <source>{path} cannot be written ({reason}): choose another place.</source>
            <translation>{path} kann nicht geschrieben werden ({reason}): Wählen Sie einen anderen Ort.</translation>
        </message>
        <message>
            <source>Saved as {path}.</source>
            <translation>Gespeichert als {path}.</translation>
        </message>
    </context>
    <context>
        <name>ChatListModel</name>
        <message>
            <source>Last used {when}</source>
            <translation>Zuletzt benutzt: {when}</translation>
        </message>
        <message>
            <source>{title}, pinned</source>
            <translation>{title}, angeheftet</translation>
        </message>
    </context>
    <context>
        <name>ChatPane</name>
        <message>
            <source>This link is not opened, as it is no web address: {address}</source>
            <translation>Dieser Link wird nicht geöffnet, denn er ist keine Web-Adresse: {address}</translation>
        </message>
        <message>
            <source>Open this link?</source>
            <translation>Diesen Link öffnen?</translation>
        </message>
        <message>
            <source>The model wrote this link. Open it in your browser?</source>
            <translation>Das Modell hat diesen Link geschrieben. Im Browser öffnen?</translation>
        </message>
    </context>
    <context>
        <name>ChatSession</name>
        <message>
            <source>The message is deleted.</source>
            <translation>Die Nachricht ist gelöscht.</translation>
        </message>
        <message>
            <source>Undo</source>
            <translation>Rückgängig</translation>
        </message>
    </context>
    <context>
        <name>Chats</name>
        <message>
            <source>New chat</source>
            <translation>Neuer Chat</translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) found</source>
            <translation>
                <numerusform>%n Chat gefunden</numerusform>
                <numerusform>%n Chats gefunden</numerusform>
            </translation>
        </message>
        <message>
            <source>Nothing found</source>
            <translation>Nichts gefunden</translation>
        </message>
        <message>
            <source>Pinned</source>
            <translation>Angeheftet</translation>
        </message>
        <message>
            <source>Today</source>
            <translation>Heute</translation>
        </message>
        <message>
            <source>Yesterday</source>
            <translation>Gestern</translation>
        </message>
        <message>
            <source>Earlier</source>
            <translation>Früher</translation>
        </message>
    </context>
    <context>
        <name>Chip</name>
        <message>
            <source>reading …</source>
            <translation>wird gelesen …</translation>
        </message>
        <message>
            <source>Do not send this file</source>
            <translation>Diese Datei nicht mitschicken</translation>
        </message>
        <message>
            <source>Remove {name}</source>
            <translation>{name} entfernen</translation>
        </message>
        <message>
            <source>{letters} letters</source>
            <translation>{letters} Zeichen</translation>
        </message>
        <message>
            <source>{tokens} tokens</source>
            <translation>{tokens} Token</translation>
        </message>
    </context>
    <context>
        <name>Chips</name>
        <message>
            <source>Attached files</source>
            <translation>Angehängte Dateien</translation>
        </message>
        <message>
            <source>At most {most} files go with one message: send some of them first.</source>
            <translation>Höchstens {most} Dateien gehen mit einer Nachricht: Schicken Sie einige davon zuerst.</translation>
        </message>
    </context>
    <context>
        <name>CodeBlock</name>
        <message>
            <source>Copy</source>
            <translation>Kopieren</translation>
        </message>
        <message>
            <source>Copy this code</source>
            <translation>Diesen Code kopieren</translation>
        </message>
        <message>
            <source>Copy code</source>
            <translation>Code kopieren</translation>
        </message>
        <message>
            <source>text</source>
            <translation>Text</translation>
        </message>
        <message>
            <source>Code, {language}</source>
            <translation>Code, {language}</translation>
        </message>
        <message>
            <source>Copied</source>
            <translation>Kopiert</translation>
        </message>
    </context>
    <context>
        <name>CompareCard</name>
        <message>
            <source>Measure</source>
            <translation>Messen</translation>
        </message>
        <message>
            <source>Result of measuring</source>
            <translation>Ergebnis der Messung</translation>
        </message>
        <message>
            <source>Progress of measuring</source>
            <translation>Fortschritt der Messung</translation>
        </message>
        <message>
            <source>Plain against drafted</source>
            <translation>Einfach gegen entworfen</translation>
        </message>
        <message>
            <source>Stop</source>
            <translation>Stopp</translation>
        </message>
        <message>
            <source>Stop measuring</source>
            <translation>Messung beenden</translation>
        </message>
        <message>
            <source>Measure plain against drafted</source>
            <translation>Einfach gegen entworfen messen</translation>
        </message>
    </context>
    <context>
        <name>Composer</name>
        <message>
            <source>Message</source>
            <translation>Nachricht</translation>
        </message>
        <message>
            <source>Enter sends, Shift+Enter starts a new line</source>
            <translation>Enter sendet, Umschalt+Enter beginnt eine neue Zeile</translation>
        </message>
        <message>
            <source>Attach text, Markdown, code or PDF files</source>
            <translation>Text-, Markdown-, Code- oder PDF-Dateien anhängen</translation>
        </message>
        <message>
            <source>Attach files</source>
            <translation>Dateien anhängen</translation>
        </message>
        <message>
            <source>Settings of this chat</source>
            <translation>Einstellungen dieses Chats</translation>
        </message>
        <message>
            <source>The model is still loading</source>
            <translation>Das Modell wird noch geladen</translation>
        </message>
        <message>
            <source>Stop</source>
            <translation>Stopp</translation>
        </message>
        <message>
            <source>This chat has settings of its own</source>
            <translation>Dieser Chat hat eigene Einstellungen</translation>
        </message>
        <message>
            <source>All files (*)</source>
            <translation>Alle Dateien (*)</translation>
        </message>
        <message>
            <source>Documents (*.txt *.md *.pdf *.csv *.json)</source>
            <translation>Dokumente (*.txt *.md *.pdf *.csv *.json)</translation>
        </message>
        <message>
            <source>Send</source>
            <translation>Senden</translation>
        </message>
        <message>
            <source>Ask anything</source>
            <translation>Fragen Sie etwas</translation>
        </message>
    </context>
    <context>
        <name>ContextMeter</name>
        <message>
            <source>{used} of {limit} tokens of the context are used.</source>
            <translation>{used} von {limit} Token des Kontexts sind belegt.</translation>
        </message>
        <message>
            <source>When it is full the oldest turns are left out; the system prompt stays.</source>
            <translation>Ist er voll, so werden die ältesten Beiträge ausgelassen; der Systemprompt bleibt.</translation>
        </message>
        <message>
            <source>When it is full the answer stops. Settings can change that.</source>
            <translation>Ist er voll, so endet die Antwort. In den Einstellungen lässt sich das ändern.</translation>
        </message>
    </context>
    <context>
        <name>Desk</name>
        <message>
            <source>The last answer is in the clipboard.</source>
            <translation>Die letzte Antwort ist in der Zwischenablage.</translation>
        </message>
    </context>
    <context>
        <name>Diagnostics</name>
        <message>
            <source>Copy diagnostics</source>
            <translation>Diagnose kopieren</translation>
        </message>
        <message>
            <source>Copy versions, hardware, settings and the log, without chats and tokens</source>
            <translation>Versionen, Hardware, Einstellungen und Protokoll kopieren, ohne Chats und Zugangstoken</translation>
        </message>
        <message>
            <source>{sentence} Your chats are as they were saved.</source>
            <translation>{sentence} Ihre Chats sind, wie sie gespeichert wurden.</translation>
        </message>
        <message>
            <source>Show the report</source>
            <translation>Bericht zeigen</translation>
        </message>
    </context>
    <context>
        <name>DownloadRow</name>
        <message>
            <source>Progress of {name}</source>
            <translation>Fortschritt von {name}</translation>
        </message>
        <message>
            <source>Give token</source>
            <translation>Token angeben</translation>
        </message>
        <message>
            <source>Give an access token for gated models</source>
            <translation>Ein Zugangstoken für geschützte Modelle angeben</translation>
        </message>
        <message>
            <source>Pause</source>
            <translation>Anhalten</translation>
        </message>
        <message>
            <source>Stop for now; what has come is kept</source>
            <translation>Vorerst anhalten; was schon da ist, bleibt</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>Fortsetzen</translation>
        </message>
        <message>
            <source>Go on where it was</source>
            <translation>Dort weitermachen, wo es war</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>Abbrechen</translation>
        </message>
        <message>
            <source>Stop, and delete what has come</source>
            <translation>Anhalten und löschen, was schon da ist</translation>
        </message>
    </context>
    <context>
        <name>DraftControls</name>
        <message>
            <source>Draft with the model's own layers, or decode plainly</source>
            <translation>Mit den eigenen Schichten des Modells entwerfen oder einfach dekodieren</translation>
        </message>
        <message>
            <source>Auto times what this machine is fast at and picks in each round what pays; the text stays the same. Turning a slider turns Auto off.</source>
            <translation>Auto misst, worin dieser Rechner schnell ist, und wählt in jeder Runde, was sich lohnt; der Text bleibt derselbe. Wer einen Regler bewegt, schaltet Auto aus.</translation>
        </message>
        <message>
            <source>Drafts by</source>
            <translation>Entwürfe durch</translation>
        </message>
        <message>
            <source>Skipped layers</source>
            <translation>Ausgelassene Schichten</translation>
        </message>
        <message>
            <source>Middle layers left out while drafting</source>
            <translation>Mittlere Schichten, die beim Entwerfen ausgelassen werden</translation>
        </message>
        <message>
            <source>Draft length</source>
            <translation>Länge des Entwurfs</translation>
        </message>
        <message>
            <source>Tokens guessed ahead before the whole model checks them</source>
            <translation>Token, die vorausgeraten werden, bevor das ganze Modell sie prüft</translation>
        </message>
        <message>
            <source>Tree size</source>
            <translation>Größe des Baums</translation>
        </message>
        <message>
            <source>Guessed tokens checked at once; 1 is a single chain</source>
            <translation>Geratene Token, die auf einmal geprüft werden; 1 ist eine einzige Kette</translation>
        </message>
        <message>
            <source>1 (chain)</source>
            <translation>1 (Kette)</translation>
        </message>
        <message>
            <source>Exact to fast</source>
            <translation>Genau bis schnell</translation>
        </message>
        <message>
            <source>At the left end the text is exactly the model's own. To the right, guesses the model finds plausible are taken too, which is faster. Auto leaves this to you.</source>
            <translation>Ganz links ist der Text genau der des Modells. Weiter rechts werden auch Vermutungen angenommen, die das Modell für glaubhaft hält; das ist schneller. Auto überlässt dies Ihnen.</translation>
        </message>
        <message>
            <source>Share of this answer's tokens that plain decoding would not have chosen</source>
            <translation>Anteil der Token dieser Antwort, die einfaches Dekodieren nicht gewählt hätte</translation>
        </message>
        <message>
            <source>Train drafts for this model…</source>
            <translation>Entwürfe für dieses Modell trainieren …</translation>
        </message>
        <message>
            <source>Make a draft adapter: the model answers prompts of its own and learns to guess ahead</source>
            <translation>Einen Entwurfsadapter machen: Das Modell beantwortet eigene Fragen und lernt vorauszuraten</translation>
        </message>
        <message>
            <source>Auto chooses</source>
            <translation>Auto wählt</translation>
        </message>
        <message>
            <source>Every token is the model's own choice</source>
            <translation>Jedes Token hat das Modell selbst gewählt</translation>
        </message>
        <message>
            <source>{share:.1%} of tokens not what plain decoding would choose</source>
            <translation>{share:.1%} der Token hätte einfaches Dekodieren nicht gewählt</translation>
        </message>
        <message>
            <source>This model has no draft adapter; one would bring more.</source>
            <translation>Dieses Modell hat keinen Entwurfsadapter; mit einem wäre es schneller.</translation>
        </message>
        <message>
            <source>{skipped} of {all}</source>
            <translation>{skipped} von {all}</translation>
        </message>
    </context>
    <context>
        <name>FindBar</name>
        <message>
            <source>Find in this chat</source>
            <translation>In diesem Chat suchen</translation>
        </message>
        <message>
            <source>Enter goes to the next message that has it, Shift+Enter to the one before</source>
            <translation>Enter geht zur nächsten Nachricht, in der es steht, Umschalt+Enter zur vorigen</translation>
        </message>
        <message>
            <source>Messages found</source>
            <translation>Gefundene Nachrichten</translation>
        </message>
        <message>
            <source>Previous message found</source>
            <translation>Vorige gefundene Nachricht</translation>
        </message>
        <message>
            <source>Next message found</source>
            <translation>Nächste gefundene Nachricht</translation>
        </message>
        <message>
            <source>Close the search in this chat</source>
            <translation>Die Suche in diesem Chat schließen</translation>
        </message>
        <message>
            <source>Nothing found</source>
            <translation>Nichts gefunden</translation>
        </message>
    </context>
    <context>
        <name>GpuRow</name>
        <message>
            <source>PyTorch for your GPU</source>
            <translation>PyTorch für Ihre GPU</translation>
        </message>
        <message>
            <source>Progress of {name}</source>
            <translation>Fortschritt von {name}</translation>
        </message>
        <message>
            <source>Get it</source>
            <translation>Holen</translation>
        </message>
        <message>
            <source>Fetch PyTorch for this GPU; it is used from the next start on</source>
            <translation>PyTorch für diese GPU holen; es wird ab dem nächsten Start benutzt</translation>
        </message>
        <message>
            <source>Pause</source>
            <translation>Anhalten</translation>
        </message>
        <message>
            <source>Stop for now; what has come is kept</source>
            <translation>Vorerst anhalten; was da ist, bleibt</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>Abbrechen</translation>
        </message>
        <message>
            <source>Stop, and delete what has come</source>
            <translation>Abbrechen und löschen, was schon da ist</translation>
        </message>
        <message>
            <source>Remove</source>
            <translation>Entfernen</translation>
        </message>
        <message>
            <source>Delete it; from the next start on models run on the processor</source>
            <translation>Löschen; ab dem nächsten Start rechnet der Prozessor</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>Weiter</translation>
        </message>
        <message>
            <source>Try again</source>
            <translation>Nochmals versuchen</translation>
        </message>
        <message>
            <source>Get it anew</source>
            <translation>Neu holen</translation>
        </message>
        <message>
            <source>{trouble} Trying again …</source>
            <translation>{trouble} Neuer Versuch …</translation>
        </message>
        <message>
            <source>{done} of {total}</source>
            <translation>{done} von {total}</translation>
        </message>
        <message>
            <source>{time} left</source>
            <translation>noch {time}</translation>
        </message>
    </context>
    <context>
        <name>InstalledRow</name>
        <message>
            <source>in place: {path}</source>
            <translation>an Ort und Stelle: {path}</translation>
        </message>
        <message>
            <source>Load</source>
            <translation>Laden</translation>
        </message>
        <message>
            <source>Load this model into memory</source>
            <translation>Dieses Modell in den Speicher laden</translation>
        </message>
        <message>
            <source>Unload</source>
            <translation>Entladen</translation>
        </message>
        <message>
            <source>Give this model's memory back</source>
            <translation>Den Speicher dieses Modells zurückgeben</translation>
        </message>
        <message>
            <source>Verify</source>
            <translation>Prüfen</translation>
        </message>
        <message>
            <source>Read all its files again and compare them with their digests</source>
            <translation>Alle seine Dateien noch einmal lesen und mit ihren Prüfsummen vergleichen</translation>
        </message>
        <message>
            <source>Take it off the list; its files stay</source>
            <translation>Von der Liste nehmen; seine Dateien bleiben</translation>
        </message>
        <message>
            <source>Delete this model from the disk</source>
            <translation>Dieses Modell von der Platte löschen</translation>
        </message>
        <message>
            <source>Remove</source>
            <translation>Entfernen</translation>
        </message>
        <message>
            <source>Delete</source>
            <translation>Löschen</translation>
        </message>
    </context>
    <context>
        <name>LayerStack</name>
        <message>
            <source>{skipped} of {depth} layers are skipped in the middle while drafting</source>
            <translation>{skipped} von {depth} Schichten in der Mitte werden beim Entwerfen ausgelassen</translation>
        </message>
    </context>
    <context>
        <name>LibraryDialog</name>
        <message>
            <source>Models</source>
            <translation>Modelle</translation>
        </message>
        <message>
            <source>Search, or type owner/name of any model on the hub</source>
            <translation>Suchen, oder Besitzer/Name eines Modells auf dem Hub eingeben</translation>
        </message>
        <message>
            <source>Search the models below, or give the name or address of a model on the hub (Ctrl+F)</source>
            <translation>Die Modelle unten durchsuchen, oder Name oder Adresse eines Modells auf dem Hub angeben (Strg+F)</translation>
        </message>
        <message>
            <source>Search or name a model</source>
            <translation>Modell suchen oder nennen</translation>
        </message>
        <message>
            <source>Clear the search</source>
            <translation>Suche leeren</translation>
        </message>
        <message>
            <source>Download</source>
            <translation>Herunterladen</translation>
        </message>
        <message>
            <source>Fetch the model that is named at the left from the hub</source>
            <translation>Das links genannte Modell vom Hub holen</translation>
        </message>
        <message>
            <source>Import …</source>
            <translation>Importieren …</translation>
        </message>
        <message>
            <source>Bring in a folder with safetensors or a GGUF file; or drop it here</source>
            <translation>Einen Ordner mit safetensors oder eine GGUF-Datei hereinholen; oder hier fallen lassen</translation>
        </message>
        <message>
            <source>Token …</source>
            <translation>Token …</translation>
        </message>
        <message>
            <source>The access token for gated models</source>
            <translation>Das Zugangstoken für geschützte Modelle</translation>
        </message>
        <message>
            <source>What is done now</source>
            <translation>Was gerade geschieht</translation>
        </message>
        <message>
            <source>Progress</source>
            <translation>Fortschritt</translation>
        </message>
        <message>
            <source>{name} is here and whole.</source>
            <translation>{name} ist da und vollständig.</translation>
        </message>
        <message>
            <source>Delete {name}</source>
            <translation>{name} löschen</translation>
        </message>
        <message>
            <source>{name} is whole: every file is as it was published.</source>
            <translation>{name} ist vollständig: Jede Datei ist, wie sie veröffentlicht wurde.</translation>
        </message>
        <message>
            <source>Take {name} off the list?</source>
            <translation>{name} von der Liste nehmen?</translation>
        </message>
        <message>
            <source>Its files stay at {path}.</source>
            <translation>Seine Dateien bleiben in {path}.</translation>
        </message>
        <message>
            <source>To use it again it has to be fetched or imported again.</source>
            <translation>Um es wieder zu benutzen, muss es erneut geholt oder importiert werden.</translation>
        </message>
        <message>
            <source>It comes with the program and is fetched again when no other is here.</source>
            <translation>Es gehört zum Programm und wird wieder geholt, wenn kein anderes da ist.</translation>
        </message>
        <message>
            <source>Delete {name} from the disk?</source>
            <translation>{name} von der Platte löschen?</translation>
        </message>
        <message>
            <source>Remove</source>
            <translation>Entfernen</translation>
        </message>
        <message>
            <source>Delete</source>
            <translation>Löschen</translation>
        </message>
        <message>
            <source>{name} is gone.</source>
            <translation>{name} ist gelöscht.</translation>
        </message>
    </context>
    <context>
        <name>MemoryGauge</name>
        <message>
            <source>Memory</source>
            <translation>Speicher</translation>
        </message>
        <message>
            <source>Memory: click for the numbers</source>
            <translation>Speicher: Klicken zeigt die Zahlen</translation>
        </message>
        <message>
            <source>Memory …</source>
            <translation>Speicher …</translation>
        </message>
        <message>
            <source>{used:.1f} of {total:.1f} GB</source>
            <translation>{used:.1f} von {total:.1f} GB</translation>
        </message>
        <message>
            <source>VRAM</source>
            <translation>VRAM</translation>
        </message>
        <message>
            <source>RAM</source>
            <translation>RAM</translation>
        </message>
        <message>
            <source>{name}: {size:.2f} GB</source>
            <translation>{name}: {size:.2f} GB</translation>
        </message>
        <message>
            <source>Total: {total:.2f} GB</source>
            <translation>Gesamt: {total:.2f} GB</translation>
        </message>
    </context>
    <context>
        <name>MemoryPopup</name>
        <message>
            <source>Memory in numbers</source>
            <translation>Speicher in Zahlen</translation>
        </message>
        <message>
            <source>How full it was in the last two minutes</source>
            <translation>Wie voll er in den letzten zwei Minuten war</translation>
        </message>
        <message>
            <source>Total</source>
            <translation>Gesamt</translation>
        </message>
    </context>
    <context>
        <name>MessageEditor</name>
        <message>
            <source>Edited message</source>
            <translation>Bearbeitete Nachricht</translation>
        </message>
        <message>
            <source>Send</source>
            <translation>Senden</translation>
        </message>
        <message>
            <source>Keep</source>
            <translation>Übernehmen</translation>
        </message>
        <message>
            <source>Enter makes this a new version, Shift+Enter starts a new line, Escape leaves it as it is</source>
            <translation>Enter macht daraus eine neue Fassung, Umschalt+Enter beginnt eine neue Zeile, Escape lässt sie, wie sie ist</translation>
        </message>
        <message>
            <source>Make this a new version of the message (Enter)</source>
            <translation>Daraus eine neue Fassung der Nachricht machen (Enter)</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>Abbrechen</translation>
        </message>
        <message>
            <source>Leave the message as it is (Escape)</source>
            <translation>Die Nachricht lassen, wie sie ist (Escape)</translation>
        </message>
        <message>
            <source>{action} edited message</source>
            <translation>Bearbeitete Nachricht: {action}</translation>
        </message>
    </context>
    <context>
        <name>MessageFoot</name>
        <message>
            <source>Show the version before this one</source>
            <translation>Die Fassung vor dieser zeigen</translation>
        </message>
        <message>
            <source>Previous version of the answer</source>
            <translation>Vorige Fassung der Antwort</translation>
        </message>
        <message>
            <source>Previous version of the message</source>
            <translation>Vorige Fassung der Nachricht</translation>
        </message>
        <message>
            <source>Show the version after this one</source>
            <translation>Die Fassung nach dieser zeigen</translation>
        </message>
        <message>
            <source>Next version of the answer</source>
            <translation>Nächste Fassung der Antwort</translation>
        </message>
        <message>
            <source>Next version of the message</source>
            <translation>Nächste Fassung der Nachricht</translation>
        </message>
        <message>
            <source>Copy this answer</source>
            <translation>Diese Antwort kopieren</translation>
        </message>
        <message>
            <source>Copy this message</source>
            <translation>Diese Nachricht kopieren</translation>
        </message>
        <message>
            <source>Copy answer</source>
            <translation>Antwort kopieren</translation>
        </message>
        <message>
            <source>Copy message</source>
            <translation>Nachricht kopieren</translation>
        </message>
        <message>
            <source>Edit this answer as a new version</source>
            <translation>Diese Antwort als neue Fassung bearbeiten</translation>
        </message>
        <message>
            <source>Edit this message as a new version</source>
            <translation>Diese Nachricht als neue Fassung bearbeiten</translation>
        </message>
        <message>
            <source>Edit answer</source>
            <translation>Antwort bearbeiten</translation>
        </message>
        <message>
            <source>Edit message</source>
            <translation>Nachricht bearbeiten</translation>
        </message>
        <message>
            <source>Delete this answer; what follows stays</source>
            <translation>Diese Antwort löschen; was folgt, bleibt</translation>
        </message>
        <message>
            <source>Delete this message; what follows stays</source>
            <translation>Diese Nachricht löschen; was folgt, bleibt</translation>
        </message>
        <message>
            <source>Delete answer</source>
            <translation>Antwort löschen</translation>
        </message>
        <message>
            <source>Delete message</source>
            <translation>Nachricht löschen</translation>
        </message>
        <message>
            <source>Version {place} of {branches}</source>
            <translation>Fassung {place} von {branches}</translation>
        </message>
    </context>
    <context>
        <name>ModelPage</name>
        <message>
            <source>About int8 and int4</source>
            <translation>Über int8 und int4</translation>
        </message>
        <message>
            <source>Precision in use</source>
            <translation>Verwendete Genauigkeit</translation>
        </message>
        <message>
            <source>About the measurement</source>
            <translation>Über die Messung</translation>
        </message>
        <message>
            <source>Measure again</source>
            <translation>Neu messen</translation>
        </message>
        <message>
            <source>Measure every precision anew and load the model again; takes some seconds</source>
            <translation>Jede Genauigkeit neu messen und das Modell neu laden; dauert einige Sekunden</translation>
        </message>
        <message>
            <source>No model is loaded.</source>
            <translation>Es ist kein Modell geladen.</translation>
        </message>
        <message>
            <source>int8 takes half the memory of bfloat16, int4 a third, and they are the fastest where the processor is made for them. But these are not the model's own numbers any more: the text may be another, and a little worse.</source>
            <translation>int8 braucht halb so viel Speicher wie bfloat16, int4 ein Drittel, und sie sind am schnellsten, wo der Prozessor dafür gemacht ist. Es sind aber nicht mehr die eigenen Zahlen des Modells: Der Text kann ein anderer sein, und ein wenig schlechter.</translation>
        </message>
        <message>
            <source>Products with this model's matrices alone, measured on {day}.</source>
            <translation>Nur die Produkte mit den Matrizen dieses Modells, gemessen am {day}.</translation>
        </message>
        <message>
            <source>Other programs were busy meanwhile, so these are rough.</source>
            <translation>Andere Programme haben währenddessen gearbeitet, daher sind die Werte ungenau.</translation>
        </message>
        <message>
            <source>int8 would write about {gain:.1f} times as fast.</source>
            <translation>int8 würde etwa {gain:.1f}-mal so schnell schreiben.</translation>
        </message>
    </context>
    <context>
        <name>Models</name>
        <message>
            <source>{done} of {total}</source>
            <translation>{done} von {total}</translation>
        </message>
        <message>
            <source>Paused</source>
            <translation>Angehalten</translation>
        </message>
        <message>
            <source>Waiting for its turn</source>
            <translation>Wartet, bis es an der Reihe ist</translation>
        </message>
        <message>
            <source>Deleting what has come</source>
            <translation>Gelöscht wird, was schon da ist</translation>
        </message>
        <message>
            <source>{trouble} Trying again …</source>
            <translation>{trouble} Neuer Versuch …</translation>
        </message>
        <message>
            <source>{time} left</source>
            <translation>noch {time}</translation>
        </message>
        <message>
            <source>Gated models ask for an access token of your account on the hub, and for their terms to be accepted on their page. A token that may read is enough.</source>
            <translation>Geschützte Modelle verlangen ein Zugangstoken Ihres Kontos auf dem Hub, und dass ihre Bedingungen auf ihrer Seite angenommen sind. Ein Token, das lesen darf, genügt.</translation>
        </message>
        <message>
            <source>It is kept in this system's keyring, and sent to the hub alone.</source>
            <translation>Es wird im Schlüsselbund dieses Systems aufbewahrt und nur an den Hub geschickt.</translation>
        </message>
        <message>
            <source>This system has no keyring, so it is kept in memory only, until the program ends, and sent to the hub alone.</source>
            <translation>Dieses System hat keinen Schlüsselbund; darum wird es nur im Speicher gehalten, bis das Programm endet, und nur an den Hub geschickt.</translation>
        </message>
        <message>
            <source>{count}k tokens</source>
            <translation>{count}k Token</translation>
        </message>
        <message>
            <source>{count} tokens</source>
            <translation>{count} Token</translation>
        </message>
    </context>
    <context>
        <name>NoticeBar</name>
        <message>
            <source>Close this notice</source>
            <translation>Diesen Hinweis schließen</translation>
        </message>
        <message>
            <source>Close notice</source>
            <translation>Hinweis schließen</translation>
        </message>
    </context>
    <context>
        <name>Precision</name>
        <message>
            <source>{precision} is in use: by measurement the fastest here that keeps the model's own numbers.</source>
            <translation>{precision} wird verwendet: nach der Messung die schnellste hier, die die eigenen Zahlen des Modells behält.</translation>
        </message>
        <message>
            <source>{precision} is in use: float32 would be faster here, but does not fit into the memory.</source>
            <translation>{precision} wird verwendet: float32 wäre hier schneller, passt aber nicht in den Speicher.</translation>
        </message>
        <message>
            <source>{precision} is in use, as it was chosen.</source>
            <translation>{precision} wird verwendet, wie gewählt.</translation>
        </message>
        <message>
            <source>{precision} is in use, the usual one on a GPU.</source>
            <translation>{precision} wird verwendet, wie auf einer GPU üblich.</translation>
        </message>
        <message>
            <source>{precision} is in use, the usual one here: other programs kept this computer too busy for a measurement.</source>
            <translation>{precision} wird verwendet, wie hier üblich: Andere Programme haben diesen Computer für eine Messung zu sehr beschäftigt.</translation>
        </message>
        <message>
            <source>{precision} is in use, the usual one here.</source>
            <translation>{precision} wird verwendet, wie hier üblich.</translation>
        </message>
        <message>
            <source>It cannot be used here: it needs Linux and a processor with fast products of 8-bit numbers.</source>
            <translation>Hier kann es nicht verwendet werden: Es braucht Linux und einen Prozessor mit schnellen Produkten von 8-Bit-Zahlen.</translation>
        </message>
        <message>
            <source>It cannot be used with this model, whose matrices cannot be cut into groups of 8-bit weights.</source>
            <translation>Mit diesem Modell kann es nicht verwendet werden: Seine Matrizen lassen sich nicht in Gruppen von 8-Bit-Gewichten teilen.</translation>
        </message>
        <message>
            <source>On a GPU it needs the package bitsandbytes.</source>
            <translation>Auf einer GPU braucht es das Paket bitsandbytes.</translation>
        </message>
        <message>
            <source>It needs an NVIDIA GPU of the RTX 30 series or later.</source>
            <translation>Es braucht eine NVIDIA-GPU der RTX-30-Reihe oder eine neuere.</translation>
        </message>
    </context>
    <context>
        <name>PresetBar</name>
        <message>
            <source>Which chats these settings are for</source>
            <translation>Für welche Chats diese Einstellungen gelten</translation>
        </message>
        <message>
            <source>Settings of</source>
            <translation>Einstellungen für</translation>
        </message>
        <message>
            <source>All chats</source>
            <translation>Alle Chats</translation>
        </message>
        <message>
            <source>This chat only</source>
            <translation>Nur diesen Chat</translation>
        </message>
        <message>
            <source>Settings that are kept under a name</source>
            <translation>Einstellungen, die unter einem Namen aufbewahrt sind</translation>
        </message>
        <message>
            <source>Preset</source>
            <translation>Voreinstellung</translation>
        </message>
        <message>
            <source>No preset yet</source>
            <translation>Noch keine</translation>
        </message>
        <message>
            <source>Apply</source>
            <translation>Anwenden</translation>
        </message>
        <message>
            <source>Take the settings of this preset</source>
            <translation>Die Einstellungen dieser Voreinstellung übernehmen</translation>
        </message>
        <message>
            <source>Save as …</source>
            <translation>Speichern als …</translation>
        </message>
        <message>
            <source>Keep the settings shown as a preset</source>
            <translation>Die gezeigten Einstellungen als Voreinstellung aufbewahren</translation>
        </message>
        <message>
            <source>Rename …</source>
            <translation>Umbenennen …</translation>
        </message>
        <message>
            <source>Give this preset another name</source>
            <translation>Dieser Voreinstellung einen anderen Namen geben</translation>
        </message>
        <message>
            <source>Delete</source>
            <translation>Löschen</translation>
        </message>
        <message>
            <source>Forget this preset</source>
            <translation>Diese Voreinstellung vergessen</translation>
        </message>
        <message>
            <source>“{name}” is in use.</source>
            <translation>„{name}“ wird benutzt.</translation>
        </message>
        <message>
            <source>“{name}” is deleted.</source>
            <translation>„{name}“ ist gelöscht.</translation>
        </message>
        <message>
            <source>Rename preset</source>
            <translation>Voreinstellung umbenennen</translation>
        </message>
        <message>
            <source>Save preset</source>
            <translation>Voreinstellung speichern</translation>
        </message>
        <message>
            <source>Name of the preset</source>
            <translation>Name der Voreinstellung</translation>
        </message>
        <message>
            <source>The settings are kept as “{name}”.</source>
            <translation>Die Einstellungen sind als „{name}“ aufbewahrt.</translation>
        </message>
    </context>
    <context>
        <name>ReplyBody</name>
        <message>
            <source>Reply</source>
            <translation>Antwort</translation>
        </message>
    </context>
    <context>
        <name>ReplyFoot</name>
        <message>
            <source>Write another answer (Ctrl+R for the last one)</source>
            <translation>Eine andere Antwort schreiben (Strg+R für die letzte)</translation>
        </message>
        <message>
            <source>Regenerate</source>
            <translation>Neu schreiben</translation>
        </message>
        <message>
            <source>Let the model go on with this answer</source>
            <translation>Das Modell diese Antwort fortsetzen lassen</translation>
        </message>
        <message>
            <source>Continue</source>
            <translation>Weiterschreiben</translation>
        </message>
    </context>
    <context>
        <name>ReportDialog</name>
        <message>
            <source>Report</source>
            <translation>Bericht</translation>
        </message>
        <message>
            <source>Nothing was sent. To tell the makers of S3D Chat, copy this and paste it into a report.</source>
            <translation>Nichts wurde gesendet. Um es den Machern von S3D Chat mitzuteilen, kopieren Sie dies und fügen Sie es in eine Meldung ein.</translation>
        </message>
        <message>
            <source>What would be copied</source>
            <translation>Was kopiert würde</translation>
        </message>
        <message>
            <source>Copy</source>
            <translation>Kopieren</translation>
        </message>
        <message>
            <source>Copy the report</source>
            <translation>Bericht kopieren</translation>
        </message>
        <message>
            <source>Close the report</source>
            <translation>Bericht schließen</translation>
        </message>
        <message>
            <source>Copied</source>
            <translation>Kopiert</translation>
        </message>
    </context>
    <context>
        <name>RoundStrip</name>
        <message>
            <source>no rounds yet</source>
            <translation>noch keine Runden</translation>
        </message>
        <message>
            <source>accepted</source>
            <translation>angenommen</translation>
        </message>
        <message>
            <source>rejected</source>
            <translation>verworfen</translation>
        </message>
        <message>
            <source>plain step</source>
            <translation>einfacher Schritt</translation>
        </message>
    </context>
    <context>
        <name>Row</name>
        <message>
            <source>Back to the usual value</source>
            <translation>Zurück zum üblichen Wert</translation>
        </message>
        <message>
            <source>{title}: usual value</source>
            <translation>{title}: üblicher Wert</translation>
        </message>
    </context>
    <context>
        <name>SearchField</name>
        <message>
            <source>Search chats</source>
            <translation>Chats durchsuchen</translation>
        </message>
        <message>
            <source>Search titles and messages (Ctrl+K)</source>
            <translation>Titel und Nachrichten durchsuchen (Strg+K)</translation>
        </message>
        <message>
            <source>Clear search</source>
            <translation>Suche leeren</translation>
        </message>
        <message>
            <source>Clear the search (Escape)</source>
            <translation>Die Suche leeren (Escape)</translation>
        </message>
    </context>
    <context>
        <name>Server</name>
        <message>
            <source>Programs that speak the OpenAI API can use the model in this window, at the speed that its sliders give. Only this computer can reach it, and only programs that know the key.</source>
            <translation>Programme, die die OpenAI-API sprechen, können das Modell in diesem Fenster benutzen, so schnell, wie seine Regler es machen. Nur dieser Rechner erreicht es, und nur Programme, die den Schlüssel kennen.</translation>
        </message>
    </context>
    <context>
        <name>ServerDialog</name>
        <message>
            <source>Serve to other programs</source>
            <translation>Anderen Programmen bereitstellen</translation>
        </message>
        <message>
            <source>The port that the server listens on</source>
            <translation>Der Port, auf dem der Server lauscht</translation>
        </message>
        <message>
            <source>Port</source>
            <translation>Port</translation>
        </message>
        <message>
            <source>Address</source>
            <translation>Adresse</translation>
        </message>
        <message>
            <source>The base URL for an OpenAI client</source>
            <translation>Die Basis-URL für einen OpenAI-Client</translation>
        </message>
        <message>
            <source>Key</source>
            <translation>Schlüssel</translation>
        </message>
        <message>
            <source>The key that a program must show</source>
            <translation>Der Schlüssel, den ein Programm vorzeigen muss</translation>
        </message>
        <message>
            <source>Copy the address</source>
            <translation>Adresse kopieren</translation>
        </message>
        <message>
            <source>Copy the key</source>
            <translation>Schlüssel kopieren</translation>
        </message>
        <message>
            <source>State of the server</source>
            <translation>Zustand des Servers</translation>
        </message>
        <message>
            <source>Turn the server on or off</source>
            <translation>Den Server ein- oder ausschalten</translation>
        </message>
        <message>
            <source>The server is on.</source>
            <translation>Der Server ist an.</translation>
        </message>
        <message>
            <source>The server is off.</source>
            <translation>Der Server ist aus.</translation>
        </message>
        <message>
            <source>Stop serving</source>
            <translation>Server ausschalten</translation>
        </message>
        <message>
            <source>Start serving</source>
            <translation>Server einschalten</translation>
        </message>
    </context>
    <context>
        <name>Settings</name>
        <message>
            <source>System prompt</source>
            <translation>Systemprompt</translation>
        </message>
        <message>
            <source>Said to the model before every chat: who it is, how it answers.</source>
            <translation>Wird dem Modell vor jedem Chat gesagt: wer es ist, wie es antwortet.</translation>
        </message>
        <message>
            <source>Context length</source>
            <translation>Kontextlänge</translation>
        </message>
        <message>
            <source>The most tokens of chat and answer together. A longer context takes more memory.</source>
            <translation>Die meisten Token von Chat und Antwort zusammen. Ein längerer Kontext braucht mehr Speicher.</translation>
        </message>
        <message>
            <source>As much as the model can</source>
            <translation>So viel das Modell kann</translation>
        </message>
        <message>
            <source>tokens</source>
            <translation>Token</translation>
        </message>
        <message>
            <source>When the context is full</source>
            <translation>Wenn der Kontext voll ist</translation>
        </message>
        <message>
            <source>The system prompt and your last message always stay.</source>
            <translation>Der Systemprompt und Ihre letzte Nachricht bleiben immer.</translation>
        </message>
        <message>
            <source>Leave the oldest turns out</source>
            <translation>Älteste Beiträge auslassen</translation>
        </message>
        <message>
            <source>Stop and say so</source>
            <translation>Anhalten und es sagen</translation>
        </message>
        <message>
            <source>Longest answer</source>
            <translation>Längste Antwort</translation>
        </message>
        <message>
            <source>The answer ends after so many tokens.</source>
            <translation>Nach so vielen Token endet die Antwort.</translation>
        </message>
        <message>
            <source>Stop texts</source>
            <translation>Stopptexte</translation>
        </message>
        <message>
            <source>The answer ends before any of these. One a line; \n stands for a new line.</source>
            <translation>Die Antwort endet vor jedem von diesen. Einer pro Zeile; \n steht für eine neue Zeile.</translation>
        </message>
        <message>
            <source>Temperature</source>
            <translation>Temperatur</translation>
        </message>
        <message>
            <source>0 always takes the most probable token; the higher, the more varied the text.</source>
            <translation>0 nimmt immer das wahrscheinlichste Token; je höher, desto abwechslungsreicher der Text.</translation>
        </message>
        <message>
            <source>Top-k</source>
            <translation>Top-k</translation>
        </message>
        <message>
            <source>Only the k most probable tokens; 0 is all.</source>
            <translation>Nur die k wahrscheinlichsten Token; 0 heißt alle.</translation>
        </message>
        <message>
            <source>Top-p</source>
            <translation>Top-p</translation>
        </message>
        <message>
            <source>Only the most probable tokens that together hold this share; 1 is all.</source>
            <translation>Nur die wahrscheinlichsten Token, die zusammen diesen Anteil haben; 1 heißt alle.</translation>
        </message>
        <message>
            <source>Min-p</source>
            <translation>Min-p</translation>
        </message>
        <message>
            <source>Without tokens less probable than this share of the best one's; 0 is all.</source>
            <translation>Ohne Token, die weniger wahrscheinlich sind als dieser Anteil des besten; 0 heißt alle.</translation>
        </message>
        <message>
            <source>Repetition penalty</source>
            <translation>Strafe für Wiederholung</translation>
        </message>
        <message>
            <source>Above 1, tokens that came before are made less probable; 1 is off.</source>
            <translation>Über 1 werden Token, die schon vorkamen, unwahrscheinlicher; 1 ist aus.</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Startwert</translation>
        </message>
        <message>
            <source>A fixed seed gives the same chat the same answer; writing it again takes the next seed.</source>
            <translation>Ein fester Startwert gibt demselben Chat dieselbe Antwort; neu geschrieben wird mit dem nächsten.</translation>
        </message>
        <message>
            <source>Another each time</source>
            <translation>Jedes Mal ein anderer</translation>
        </message>
        <message>
            <source>Theme</source>
            <translation>Aussehen</translation>
        </message>
        <message>
            <source>Light or dark colours.</source>
            <translation>Helle oder dunkle Farben.</translation>
        </message>
        <message>
            <source>As the system</source>
            <translation>Wie das System</translation>
        </message>
        <message>
            <source>Light</source>
            <translation>Hell</translation>
        </message>
        <message>
            <source>Dark</source>
            <translation>Dunkel</translation>
        </message>
        <message>
            <source>Language</source>
            <translation>Sprache</translation>
        </message>
        <message>
            <source>Of the window; another one is spoken from the next start on.</source>
            <translation>Des Fensters; eine andere gilt ab dem nächsten Start.</translation>
        </message>
        <message>
            <source>English</source>
            <translation>English</translation>
        </message>
        <message>
            <source>Deutsch</source>
            <translation>Deutsch</translation>
        </message>
        <message>
            <source>Font size</source>
            <translation>Schriftgröße</translation>
        </message>
        <message>
            <source>Of all text in the window.</source>
            <translation>Aller Texte im Fenster.</translation>
        </message>
        <message>
            <source>The system's</source>
            <translation>Die des Systems</translation>
        </message>
        <message>
            <source>pt</source>
            <translation>pt</translation>
        </message>
        <message>
            <source>Precision</source>
            <translation>Genauigkeit</translation>
        </message>
        <message>
            <source>Numbers that the model's weights are held in. Automatic takes the fastest that keeps the model's own.</source>
            <translation>Zahlen, in denen die Gewichte des Modells gehalten werden. „Automatisch“ nimmt die schnellste, die die eigenen Zahlen des Modells behält.</translation>
        </message>
        <message>
            <source>Automatic</source>
            <translation>Automatisch</translation>
        </message>
        <message>
            <source>bfloat16, 16 bits</source>
            <translation>bfloat16, 16 Bit</translation>
        </message>
        <message>
            <source>float32, 32 bits</source>
            <translation>float32, 32 Bit</translation>
        </message>
        <message>
            <source>int8, 8 bits</source>
            <translation>int8, 8 Bit</translation>
        </message>
        <message>
            <source>int4, 4 bits</source>
            <translation>int4, 4 Bit</translation>
        </message>
    </context>
    <context>
        <name>SettingsDialog</name>
        <message>
            <source>Settings</source>
            <translation>Einstellungen</translation>
        </message>
        <message>
            <source>Pages of the settings</source>
            <translation>Seiten der Einstellungen</translation>
        </message>
        <message>
            <source>Pages</source>
            <translation>Seiten</translation>
        </message>
        <message>
            <source>Chat</source>
            <translation>Chat</translation>
        </message>
        <message>
            <source>Sampling</source>
            <translation>Auswahl</translation>
        </message>
        <message>
            <source>Model</source>
            <translation>Modell</translation>
        </message>
        <message>
            <source>Appearance</source>
            <translation>Aussehen</translation>
        </message>
        <message>
            <source>Shortcuts</source>
            <translation>Tasten</translation>
        </message>
        <message>
            <source>Undo</source>
            <translation>Rückgängig</translation>
        </message>
        <message>
            <source>Take that back</source>
            <translation>Das zurücknehmen</translation>
        </message>
        <message>
            <source>Close</source>
            <translation>Schließen</translation>
        </message>
        <message>
            <source>Close the settings</source>
            <translation>Die Einstellungen schließen</translation>
        </message>
    </context>
    <context>
        <name>Shelf</name>
        <message>
            <source>Models</source>
            <translation>Modelle</translation>
        </message>
        <message>
            <source>Downloads</source>
            <translation>Downloads</translation>
        </message>
        <message>
            <source>On this computer</source>
            <translation>Auf diesem Rechner</translation>
        </message>
        <message>
            <source>To download</source>
            <translation>Zum Herunterladen</translation>
        </message>
        <message>
            <source>No model here is called “{name}”. Type owner/name to fetch any from the hub.</source>
            <translation>Kein Modell hier heißt „{name}“. Mit Besitzer/Name lässt sich jedes vom Hub holen.</translation>
        </message>
    </context>
    <context>
        <name>Shortcuts</name>
        <message>
            <source>Everywhere</source>
            <translation>Überall</translation>
        </message>
        <message>
            <source>While you write a message</source>
            <translation>Beim Schreiben einer Nachricht</translation>
        </message>
        <message>
            <source>New chat</source>
            <translation>Neuer Chat</translation>
        </message>
        <message>
            <source>Search the chats</source>
            <translation>Die Chats durchsuchen</translation>
        </message>
        <message>
            <source>Find in this chat</source>
            <translation>In diesem Chat suchen</translation>
        </message>
        <message>
            <source>Show or hide the chats</source>
            <translation>Chats ein- oder ausblenden</translation>
        </message>
        <message>
            <source>Manage the models</source>
            <translation>Modelle verwalten</translation>
        </message>
        <message>
            <source>Settings</source>
            <translation>Einstellungen</translation>
        </message>
        <message>
            <source>Go to the message field</source>
            <translation>Zum Nachrichtenfeld</translation>
        </message>
        <message>
            <source>Attach files</source>
            <translation>Dateien anhängen</translation>
        </message>
        <message>
            <source>Stop what runs</source>
            <translation>Anhalten, was läuft</translation>
        </message>
        <message>
            <source>Copy the last answer</source>
            <translation>Die letzte Antwort kopieren</translation>
        </message>
        <message>
            <source>Write the last answer again</source>
            <translation>Die letzte Antwort neu schreiben</translation>
        </message>
        <message>
            <source>Show or hide the speed panel</source>
            <translation>Tempo ein- oder ausblenden</translation>
        </message>
        <message>
            <source>Larger text</source>
            <translation>Größerer Text</translation>
        </message>
        <message>
            <source>Smaller text</source>
            <translation>Kleinerer Text</translation>
        </message>
        <message>
            <source>Text of the usual size</source>
            <translation>Text in der üblichen Größe</translation>
        </message>
        <message>
            <source>Quit</source>
            <translation>Beenden</translation>
        </message>
        <message>
            <source>Send</source>
            <translation>Senden</translation>
        </message>
        <message>
            <source>New line</source>
            <translation>Neue Zeile</translation>
        </message>
    </context>
    <context>
        <name>Sidebar</name>
        <message>
            <source>Import, export, deleted chats</source>
            <translation>Importieren, exportieren, gelöschte Chats</translation>
        </message>
        <message>
            <source>Chats menu</source>
            <translation>Menü der Chats</translation>
        </message>
        <message>
            <source>Chats</source>
            <translation>Chats</translation>
        </message>
        <message>
            <source>Enter opens, F2 renames, Delete deletes</source>
            <translation>Enter öffnet, F2 benennt um, Entf löscht</translation>
        </message>
        <message>
            <source>Delete</source>
            <translation>Löschen</translation>
        </message>
        <message>
            <source>“{name}” is deleted.</source>
            <translation>„{name}“ ist gelöscht.</translation>
        </message>
        <message>
            <source>Undo</source>
            <translation>Rückgängig</translation>
        </message>
        <message>
            <source>{name} (copy)</source>
            <translation>{name} (Kopie)</translation>
        </message>
        <message>
            <source>Open</source>
            <translation>Öffnen</translation>
        </message>
        <message>
            <source>Rename (F2)</source>
            <translation>Umbenennen (F2)</translation>
        </message>
        <message>
            <source>Unpin</source>
            <translation>Loslösen</translation>
        </message>
        <message>
            <source>Pin</source>
            <translation>Anheften</translation>
        </message>
        <message>
            <source>Duplicate</source>
            <translation>Duplizieren</translation>
        </message>
        <message>
            <source>Copy as Markdown</source>
            <translation>Als Markdown kopieren</translation>
        </message>
        <message>
            <source>Export as Markdown …</source>
            <translation>Als Markdown exportieren …</translation>
        </message>
        <message>
            <source>Export as JSON …</source>
            <translation>Als JSON exportieren …</translation>
        </message>
        <message>
            <source>New chat</source>
            <translation>Neuer Chat</translation>
        </message>
        <message>
            <source>This chat</source>
            <translation>Dieser Chat</translation>
        </message>
        <message>
            <source>Import chats …</source>
            <translation>Chats importieren …</translation>
        </message>
        <message>
            <source>Export all chats as JSON …</source>
            <translation>Alle Chats als JSON exportieren …</translation>
        </message>
        <message>
            <source>Deleted chats</source>
            <translation>Gelöschte Chats</translation>
        </message>
    </context>
    <context>
        <name>SlotBars</name>
        <message>
            <source>slot {number}: {share:.0%}</source>
            <translation>Stelle {number}: {share:.0%}</translation>
        </message>
        <message>
            <source>nothing drafted yet</source>
            <translation>noch nichts entworfen</translation>
        </message>
        <message>
            <source>How often a draft was accepted, by its place in the draft</source>
            <translation>Wie oft ein Entwurf angenommen wurde, nach der Stelle im Entwurf</translation>
        </message>
        <message>
            <source>Nothing drafted yet</source>
            <translation>Noch nichts entworfen</translation>
        </message>
    </context>
    <context>
        <name>Speed</name>
        <message>
            <source>by S3D</source>
            <translation>durch S3D</translation>
        </message>
        <message>
            <source>by the model's own layers</source>
            <translation>durch die Schichten des Modells</translation>
        </message>
        <message>
            <source>copied</source>
            <translation>kopiert</translation>
        </message>
        <message>
            <source>plain</source>
            <translation>einfach</translation>
        </message>
        <message numerus="yes">
            <source>Last %n round(s): {wrote}.</source>
            <translation>
                <numerusform>Letzte Runde: {wrote}.</numerusform>
                <numerusform>Letzte %n Runden: {wrote}.</numerusform>
            </translation>
        </message>
        <message>
            <source>{kept} of {all} layers</source>
            <translation>{kept} von {all} Schichten</translation>
        </message>
        <message>
            <source>Drafting is off: the whole model writes token by token.</source>
            <translation>Entwerfen ist aus: Das ganze Modell schreibt Token für Token.</translation>
        </message>
        <message>
            <source>Drafts are copied from what was said before.</source>
            <translation>Entwürfe werden aus dem kopiert, was schon gesagt wurde.</translation>
        </message>
        <message>
            <source>Drafts are written token by token by {kept}.</source>
            <translation>{kept} entwerfen Token für Token.</translation>
        </message>
        <message>
            <source>Drafts come from one pass through {kept}, with the adapter.</source>
            <translation>Entwürfe kommen aus einem Durchgang durch {kept}, mit dem Adapter.</translation>
        </message>
        <message>
            <source>Auto picks what pays in each round, by measured times.</source>
            <translation>Auto wählt in jeder Runde nach gemessenen Zeiten, was sich lohnt.</translation>
        </message>
        <message>
            <source>Verifying is slow in this format here: in {format}, {rows} rows take {ratio:.1f} × a plain step, so that drafts gain little. bfloat16 gains more where it fits into the memory.</source>
            <translation>Das Prüfen ist in diesem Format hier langsam: in {format} brauchen {rows} Zeilen das {ratio:.1f}-Fache eines einfachen Schritts, so dass Entwürfe wenig bringen. bfloat16 gewinnt mehr, wo es in den Speicher passt.</translation>
        </message>
        <message>
            <source>Auto</source>
            <translation>Auto</translation>
        </message>
        <message>
            <source>Own layers</source>
            <translation>Schichten</translation>
        </message>
        <message>
            <source>Copies</source>
            <translation>Kopien</translation>
        </message>
        <message>
            <source>Plain</source>
            <translation>Einfach</translation>
        </message>
        <message>
            <source>Continues the last question {runs} times, up to {tokens} tokens each: plain, drafted, plain, drafted, with this chat's sampling and one seed for all.
Each speed is tokens over the measured time of both runs; reading the question is left out.
The ticks are the single runs. Nothing is added to the chat.</source>
            <translation>Beantwortet die letzte Frage {runs}-mal, mit je bis zu {tokens} Token: einfach, entworfen, einfach, entworfen, mit der Auswahl dieses Chats und einem Startwert für alle.
Jede Geschwindigkeit ist Token durch die gemessene Zeit beider Läufe; das Lesen der Frage zählt nicht.
Die Striche sind die einzelnen Läufe. Dem Chat wird nichts hinzugefügt.</translation>
        </message>
        <message>
            <source>Plain against drafted</source>
            <translation>Einfach gegen entworfen</translation>
        </message>
        <message>
            <source>{speed:.1f} tok/s</source>
            <translation>{speed:.1f} Tok/s</translation>
        </message>
        <message>
            <source>✓ The same {tokens} tokens in all {runs} runs</source>
            <translation>✓ Dieselben {tokens} Token in allen {runs} Läufen</translation>
        </message>
        <message>
            <source>The texts differ from token {number} on, as the slider towards fast allows</source>
            <translation>Die Texte unterscheiden sich ab Token {number}, wie es der Regler Richtung „schnell“ erlaubt</translation>
        </message>
        <message>
            <source>The texts differ from token {number} on; in half precision rounding can do that</source>
            <translation>Die Texte unterscheiden sich ab Token {number}; bei halber Genauigkeit kann das vom Runden kommen</translation>
        </message>
        <message>
            <source>{ratio:.2f}× the plain speed</source>
            <translation>{ratio:.2f}× so schnell wie einfach</translation>
        </message>
        <message>
            <source>One pass through the early and late layers, with the trained adapter, drafts several tokens</source>
            <translation>Ein Durchgang durch die frühen und späten Schichten entwirft mit dem trainierten Adapter mehrere Token</translation>
        </message>
        <message>
            <source>The early and late layers draft token by token, without an adapter</source>
            <translation>Die frühen und späten Schichten entwerfen Token für Token, ohne Adapter</translation>
        </message>
        <message>
            <source>Drafts are copied from what was said before</source>
            <translation>Entwürfe werden aus dem kopiert, was schon gesagt wurde</translation>
        </message>
        <message>
            <source>exact</source>
            <translation>genau</translation>
        </message>
        <message>
            <source>Layers</source>
            <translation>Schichten</translation>
        </message>
        <message>
            <source>Acceptance per slot</source>
            <translation>Angenommen je Stelle</translation>
        </message>
        <message>
            <source>{speed:.1f} tokens/s</source>
            <translation>{speed:.1f} Token/s</translation>
        </message>
        <message>
            <source>{speedup:.2f}× plain</source>
            <translation>{speedup:.2f}× einfach</translation>
        </message>
        <message>
            <source>{tokens:.2f} tokens per round</source>
            <translation>{tokens:.2f} Token je Runde</translation>
        </message>
        <message numerus="yes">
            <source>%n token(s)</source>
            <translation>
                <numerusform>%n Token</numerusform>
                <numerusform>%n Token</numerusform>
            </translation>
        </message>
        <message>
            <source>first after {seconds:.2f} s</source>
            <translation>erstes nach {seconds:.2f} s</translation>
        </message>
        <message>
            <source>{share:.1%} not exact</source>
            <translation>{share:.1%} nicht genau</translation>
        </message>
        <message>
            <source>the model ended it</source>
            <translation>vom Modell beendet</translation>
        </message>
        <message>
            <source>stopped at the length limit</source>
            <translation>an der Längengrenze beendet</translation>
        </message>
        <message>
            <source>the context is full</source>
            <translation>der Kontext ist voll</translation>
        </message>
        <message>
            <source>stopped</source>
            <translation>angehalten</translation>
        </message>
        <message>
            <source>Plain decoding has not been measured on this machine yet</source>
            <translation>Einfaches Dekodieren wurde auf diesem Rechner noch nicht gemessen</translation>
        </message>
        <message>
            <source>Tokens over the measured time of the rounds: the last 1.5 seconds while an answer is written, then all of it. Reading the prompt is left out.</source>
            <translation>Token durch die gemessene Zeit der Runden: der letzten 1,5 Sekunden, solange eine Antwort geschrieben wird, dann der ganzen. Das Lesen der Frage zählt nicht.</translation>
        </message>
        <message>
            <source>Plain steps are timed after loading, and again and again while answers are written: now and then a round goes without drafts. The speed-up is the speed at the left over the median of the last 16.</source>
            <translation>Einfache Schritte werden nach dem Laden gemessen, und immer wieder, während Antworten geschrieben werden: Ab und zu kommt eine Runde ohne Entwurf. Die Beschleunigung ist die Geschwindigkeit links durch den Median der letzten 16.</translation>
        </message>
        <message>
            <source>Tokens per second over time</source>
            <translation>Token pro Sekunde im Verlauf</translation>
        </message>
        <message>
            <source>after {seconds:.1f} s: {speed:.1f} tokens/s</source>
            <translation>nach {seconds:.1f} s: {speed:.1f} Token/s</translation>
        </message>
        <message>
            <source>plain then: {speed:.1f} tokens/s, {ratio:.2f}×</source>
            <translation>einfach zu der Zeit: {speed:.1f} Token/s, {ratio:.2f}×</translation>
        </message>
        <message>
            <source>the model's own layers</source>
            <translation>die Schichten des Modells</translation>
        </message>
        <message>
            <source>a copy</source>
            <translation>eine Kopie</translation>
        </message>
        <message numerus="yes">
            <source>%n token(s) in {ms} ms</source>
            <translation>
                <numerusform>%n Token in {ms} ms</numerusform>
                <numerusform>%n Token in {ms} ms</numerusform>
            </translation>
        </message>
        <message>
            <source>Round {number}: a plain step, {time}</source>
            <translation>Runde {number}: ein einfacher Schritt, {time}</translation>
        </message>
        <message>
            <source>Round {number}: {drafted} drafted by {by}</source>
            <translation>Runde {number}: {drafted} entworfen durch {by}</translation>
        </message>
        <message numerus="yes">
            <source>%n layer(s) skipped</source>
            <translation>
                <numerusform>%n Schicht ausgelassen</numerusform>
                <numerusform>%n Schichten ausgelassen</numerusform>
            </translation>
        </message>
        <message>
            <source>{accepted} accepted, {rejected} rejected</source>
            <translation>{accepted} angenommen, {rejected} verworfen</translation>
        </message>
        <message>
            <source>{draft:.1f} ms to draft, {check:.1f} ms to check</source>
            <translation>{draft:.1f} ms zum Entwerfen, {check:.1f} ms zum Prüfen</translation>
        </message>
        <message>
            <source>Rounds</source>
            <translation>Runden</translation>
        </message>
    </context>
    <context>
        <name>SpeedPanel</name>
        <message>
            <source>Speed</source>
            <translation>Tempo</translation>
        </message>
        <message>
            <source>Drafting</source>
            <translation>Entwerfen</translation>
        </message>
        <message>
            <source>tokens per second now</source>
            <translation>Token pro Sekunde jetzt</translation>
        </message>
        <message>
            <source>speed-up over plain decoding</source>
            <translation>Beschleunigung gegenüber einfachem Dekodieren</translation>
        </message>
        <message>
            <source>over plain</source>
            <translation>gegen einfach</translation>
        </message>
        <message>
            <source>tokens/s</source>
            <translation>Token/s</translation>
        </message>
        <message>
            <source>tokens per round</source>
            <translation>Token je Runde</translation>
        </message>
        <message>
            <source>accepted drafts</source>
            <translation>angenommene Entwürfe</translation>
        </message>
        <message>
            <source>accepted / drafted</source>
            <translation>angenommen / entworfen</translation>
        </message>
        <message>
            <source>Accepted, by place in the draft</source>
            <translation>Angenommen, nach Stelle im Entwurf</translation>
        </message>
        <message>
            <source>Colour the text that came from accepted drafts</source>
            <translation>Den Text färben, der aus angenommenen Entwürfen kam</translation>
        </message>
        <message>
            <source>Show drafted tokens</source>
            <translation>Entworfene Token zeigen</translation>
        </message>
        <message>
            <source>plain: {speed:.1f} tok/s measured on this machine</source>
            <translation>einfach: {speed:.1f} Tok/s, auf diesem Rechner gemessen</translation>
        </message>
        <message>
            <source>over plain ({speed:.1f})</source>
            <translation>gegen einfach ({speed:.1f})</translation>
        </message>
    </context>
    <context>
        <name>SpeedPlot</name>
        <message>
            <source>{speed:.1f} tokens per second</source>
            <translation>{speed:.1f} Token pro Sekunde</translation>
        </message>
        <message>
            <source>nothing written yet</source>
            <translation>noch nichts geschrieben</translation>
        </message>
        <message>
            <source>{now}, plain decoding {plain:.1f}</source>
            <translation>{now}, einfaches Dekodieren {plain:.1f}</translation>
        </message>
        <message>
            <source>plain {plain:.1f}</source>
            <translation>einfach {plain:.1f}</translation>
        </message>
    </context>
    <context>
        <name>Tasks</name>
        <message>
            <source>Something went wrong: {error}</source>
            <translation>Etwas ist schiefgegangen: {error}</translation>
        </message>
    </context>
    <context>
        <name>Thought</name>
        <message>
            <source>Show or hide what the model thought</source>
            <translation>Zeigen oder verbergen, was das Modell gedacht hat</translation>
        </message>
        <message>
            <source>What the model thought</source>
            <translation>Was das Modell gedacht hat</translation>
        </message>
        <message numerus="yes">
            <source>Thinking: %n word(s)</source>
            <translation>
                <numerusform>Denkt nach: %n Wort</numerusform>
                <numerusform>Denkt nach: %n Wörter</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Thought: %n word(s)</source>
            <translation>
                <numerusform>Nachgedacht: %n Wort</numerusform>
                <numerusform>Nachgedacht: %n Wörter</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>TokenDialog</name>
        <message>
            <source>Access token</source>
            <translation>Zugangstoken</translation>
        </message>
        <message>
            <source>The access token; leave it empty to forget the present one</source>
            <translation>Das Zugangstoken; leer lassen, um das jetzige zu vergessen</translation>
        </message>
        <message>
            <source>Keep the token</source>
            <translation>Das Token aufbewahren</translation>
        </message>
        <message>
            <source>Change nothing</source>
            <translation>Nichts ändern</translation>
        </message>
    </context>
    <context>
        <name>TopBar</name>
        <message>
            <source>Show or hide the chats</source>
            <translation>Chats ein- oder ausblenden</translation>
        </message>
        <message>
            <source>Chats</source>
            <translation>Chats</translation>
        </message>
        <message>
            <source>New chat</source>
            <translation>Neuer Chat</translation>
        </message>
        <message>
            <source>The model that answers</source>
            <translation>Das Modell, das antwortet</translation>
        </message>
        <message>
            <source>Model</source>
            <translation>Modell</translation>
        </message>
        <message>
            <source>No model yet</source>
            <translation>Noch kein Modell</translation>
        </message>
        <message>
            <source>State</source>
            <translation>Zustand</translation>
        </message>
        <message>
            <source>Show or hide the speed panel</source>
            <translation>Tempo ein- oder ausblenden</translation>
        </message>
        <message>
            <source>Speed panel</source>
            <translation>Tempo</translation>
        </message>
        <message>
            <source>Menu</source>
            <translation>Menü</translation>
        </message>
        <message>
            <source>Progress</source>
            <translation>Fortschritt</translation>
        </message>
        <message>
            <source>Theme of the system</source>
            <translation>Aussehen des Systems</translation>
        </message>
        <message>
            <source>Light theme</source>
            <translation>Helles Aussehen</translation>
        </message>
        <message>
            <source>Dark theme</source>
            <translation>Dunkles Aussehen</translation>
        </message>
        <message>
            <source>Manage models …</source>
            <translation>Modelle verwalten …</translation>
        </message>
        <message>
            <source>Serve to other programs …</source>
            <translation>Anderen Programmen bereitstellen …</translation>
        </message>
        <message>
            <source>Train drafts for this model …</source>
            <translation>Entwürfe für dieses Modell trainieren …</translation>
        </message>
        <message>
            <source>Settings …</source>
            <translation>Einstellungen …</translation>
        </message>
        <message>
            <source>Serving to other programs …</source>
            <translation>Wird anderen Programmen bereitgestellt …</translation>
        </message>
        <message>
            <source>Fetch, import and delete models</source>
            <translation>Modelle holen, importieren und löschen</translation>
        </message>
        <message>
            <source>Stopping</source>
            <translation>Wird angehalten</translation>
        </message>
    </context>
    <context>
        <name>Training</name>
        <message>
            <source>it copies what was said before (lookup)</source>
            <translation>kopiert es, was schon gesagt wurde (lookup)</translation>
        </message>
        <message>
            <source>its own layers draft, the middle left out (skip)</source>
            <translation>entwerfen seine eigenen Schichten, ohne die mittleren (skip)</translation>
        </message>
        <message>
            <source>it takes what is fastest of copying and its own layers</source>
            <translation>nimmt es das Schnellste von Kopieren und eigenen Schichten</translation>
        </message>
        <message>
            <source>it decodes plainly</source>
            <translation>dekodiert es einfach</translation>
        </message>
        <message>
            <source>it uses drafts that were trained for it</source>
            <translation>benutzt es Entwürfe, die für es trainiert wurden</translation>
        </message>
        <message>
            <source>Starting</source>
            <translation>Start</translation>
        </message>
        <message>
            <source>Measuring the speed before</source>
            <translation>Die Geschwindigkeit davor wird gemessen</translation>
        </message>
        <message>
            <source>The model writes chats to learn from</source>
            <translation>Das Modell schreibt Chats, aus denen es lernt</translation>
        </message>
        <message>
            <source>Training</source>
            <translation>Training</translation>
        </message>
        <message>
            <source>Calibrating, and measuring on held-out chats</source>
            <translation>Abgleich, und Messung an zurückgehaltenen Chats</translation>
        </message>
        <message>
            <source>Measuring the speed after</source>
            <translation>Die Geschwindigkeit danach wird gemessen</translation>
        </message>
        <message>
            <source>Paused</source>
            <translation>Angehalten</translation>
        </message>
        <message>
            <source>Interrupted; what was done until the last checkpoint is kept</source>
            <translation>Unterbrochen; was bis zum letzten Sicherungspunkt getan wurde, ist aufbewahrt</translation>
        </message>
        <message>
            <source>Ended by an error</source>
            <translation>Durch einen Fehler beendet</translation>
        </message>
        <message>
            <source>Done</source>
            <translation>Fertig</translation>
        </message>
        <message>
            <source>Quick</source>
            <translation>Kurz</translation>
        </message>
        <message>
            <source>Usual</source>
            <translation>Üblich</translation>
        </message>
        <message>
            <source>Thorough</source>
            <translation>Gründlich</translation>
        </message>
        <message>
            <source>{name} goes ahead of itself while it writes: now {now}. Trained drafts let one short pass guess several tokens at once; the model still checks each of them, so the text stays the same. With its trained drafts SmolLM2-135M writes 1.3 times as fast as plainly on two processor cores; what they bring here is measured before and after. The model learns from chats that it writes itself; nothing leaves this computer.</source>
            <translation>{name} greift sich beim Schreiben selbst vor: Jetzt {now}. Mit trainierten Entwürfen rät ein kurzer Durchgang mehrere Token auf einmal; das Modell prüft weiterhin jedes davon, darum bleibt der Text derselbe. Mit seinen trainierten Entwürfen schreibt SmolLM2-135M auf zwei Prozessorkernen 1,3-mal so schnell wie einfach; was sie hier bringen, wird davor und danach gemessen. Das Modell lernt aus Chats, die es selbst schreibt; nichts verlässt diesen Rechner.</translation>
        </message>
        <message>
            <source>{said}: {done:,} of {total:,} tokens</source>
            <translation>{said}: {done:,} von {total:,} Token</translation>
        </message>
        <message>
            <source>{said}: step {done:,} of {total:,}</source>
            <translation>{said}: Schritt {done:,} von {total:,}</translation>
        </message>
        <message>
            <source>{time} left of this part</source>
            <translation>noch {time} für diesen Teil</translation>
        </message>
        <message>
            <source>loss {loss:.2f}</source>
            <translation>Verlust {loss:.2f}</translation>
        </message>
        <message>
            <source>{size} on the disk</source>
            <translation>{size} auf der Platte</translation>
        </message>
        <message>
            <source>Before ({strategy}): {speedup:.2f}× plain decoding</source>
            <translation>Davor ({strategy}): {speedup:.2f}× einfach</translation>
        </message>
        <message>
            <source>after: {speedup:.2f}×</source>
            <translation>danach: {speedup:.2f}×</translation>
        </message>
        <message>
            <source>The training of drafts for {name} has stopped: {why}</source>
            <translation>Das Training der Entwürfe für {name} ist beendet: {why}</translation>
        </message>
        <message>
            <source>Drafts for {name} are trained.</source>
            <translation>Entwürfe für {name} sind trainiert.</translation>
        </message>
        <message>
            <source>Drafts for {name} are trained, {speedup:.2f} times as fast as plain decoding.</source>
            <translation>Entwürfe für {name} sind trainiert, {speedup:.2f}-mal so schnell wie einfaches Dekodieren.</translation>
        </message>
    </context>
    <context>
        <name>TrainingCurve</name>
        <message>
            <source>Tokens per round on held-out chats</source>
            <translation>Token je Runde an zurückgehaltenen Chats</translation>
        </message>
        <message>
            <source>Nothing measured yet</source>
            <translation>Noch nichts gemessen</translation>
        </message>
        <message>
            <source>{tokens:.2f} tokens per round after step {step:,}</source>
            <translation>{tokens:.2f} Token je Runde nach Schritt {step:,}</translation>
        </message>
        <message>
            <source>step 0</source>
            <translation>Schritt 0</translation>
        </message>
        <message>
            <source>Measured while training</source>
            <translation>Wird beim Training gemessen</translation>
        </message>
    </context>
    <context>
        <name>TrainingDialog</name>
        <message>
            <source>Train drafts for {name}</source>
            <translation>Entwürfe für {name} trainieren</translation>
        </message>
        <message>
            <source>Effort</source>
            <translation>Aufwand</translation>
        </message>
        <message>
            <source>How long to train: more is better, by less and less</source>
            <translation>Wie lange trainiert wird: mehr ist besser, um immer weniger</translation>
        </message>
        <message>
            <source>{effort}: {steps:,} steps</source>
            <translation>{effort}: {steps:,} Schritte</translation>
        </message>
        <message>
            <source>Prompts …</source>
            <translation>Fragen …</translation>
        </message>
        <message>
            <source>A file of your own prompts for the model to answer (JSON lines with turns)</source>
            <translation>Eine Datei mit eigenen Fragen, die das Modell beantwortet (JSON-Zeilen mit „turns“)</translation>
        </message>
        <message>
            <source>The model writes the prompts too</source>
            <translation>Das Modell schreibt auch die Fragen</translation>
        </message>
        <message>
            <source>Estimate</source>
            <translation>Schätzen</translation>
        </message>
        <message>
            <source>Measure for a short while how long this would take here</source>
            <translation>Eine kurze Weile messen, wie lange es hier dauern würde</translation>
        </message>
        <message>
            <source>Estimate of time and disk</source>
            <translation>Schätzung von Zeit und Speicherplatz</translation>
        </message>
        <message>
            <source>State of the training</source>
            <translation>Zustand des Trainings</translation>
        </message>
        <message>
            <source>Progress</source>
            <translation>Fortschritt</translation>
        </message>
        <message>
            <source>Speed before and after</source>
            <translation>Geschwindigkeit davor und danach</translation>
        </message>
        <message>
            <source>Go on training when the window is closed</source>
            <translation>Weitertrainieren, wenn das Fenster geschlossen ist</translation>
        </message>
        <message>
            <source>Else the training pauses then, and goes on when you resume it</source>
            <translation>Sonst hält das Training dann an und geht weiter, wenn Sie es fortsetzen</translation>
        </message>
        <message>
            <source>Start</source>
            <translation>Starten</translation>
        </message>
        <message>
            <source>Start training</source>
            <translation>Training starten</translation>
        </message>
        <message>
            <source>Pause</source>
            <translation>Anhalten</translation>
        </message>
        <message>
            <source>Keep what is done and give the memory back</source>
            <translation>Das Erreichte aufbewahren und den Speicher zurückgeben</translation>
        </message>
        <message>
            <source>Cancel training …</source>
            <translation>Training abbrechen …</translation>
        </message>
        <message>
            <source>End the training and delete what it made</source>
            <translation>Das Training beenden und löschen, was es gemacht hat</translation>
        </message>
        <message>
            <source>Load with its drafts</source>
            <translation>Mit seinen Entwürfen laden</translation>
        </message>
        <message>
            <source>Load the model again with what was trained</source>
            <translation>Das Modell mit dem Trainierten noch einmal laden</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>Fortsetzen</translation>
        </message>
        <message>
            <source>Train further</source>
            <translation>Weiter trainieren</translation>
        </message>
        <message>
            <source>Pausing after this step …</source>
            <translation>Hält nach diesem Schritt an …</translation>
        </message>
        <message>
            <source>Measuring how long it would take …</source>
            <translation>Gemessen wird, wie lange es dauern würde …</translation>
        </message>
        <message>
            <source>It could not be measured: {why}</source>
            <translation>Es konnte nicht gemessen werden: {why}</translation>
        </message>
        <message>
            <source>Not measured yet</source>
            <translation>Noch nicht gemessen</translation>
        </message>
        <message>
            <source>About {time} and {size} on the disk</source>
            <translation>Etwa {time} und {size} auf der Platte</translation>
        </message>
        <message>
            <source>Prompts to answer</source>
            <translation>Fragen zum Beantworten</translation>
        </message>
        <message>
            <source>JSON lines (*.jsonl);;All files (*)</source>
            <translation>JSON-Zeilen (*.jsonl);;Alle Dateien (*)</translation>
        </message>
        <message>
            <source>End the training and delete what it made so far? Drafts that were finished before stay.</source>
            <translation>Das Training beenden und löschen, was es bisher gemacht hat? Entwürfe, die vorher fertig waren, bleiben.</translation>
        </message>
        <message>
            <source>Cancel training</source>
            <translation>Training abbrechen</translation>
        </message>
    </context>
    <context>
        <name>Transcript</name>
        <message>
            <source>Conversation</source>
            <translation>Gespräch</translation>
        </message>
        <message>
            <source>Go to the newest text</source>
            <translation>Zum neuesten Text</translation>
        </message>
    </context>
    <context>
        <name>UserMessage</name>
        <message>
            <source>File: {name}</source>
            <translation>Datei: {name}</translation>
        </message>
        <message>
            <source>Your message</source>
            <translation>Ihre Nachricht</translation>
        </message>
    </context>
    <context>
        <name>Welcome</name>
        <message>
            <source>A model that drafts for itself</source>
            <translation>Ein Modell, das sich selbst vorgreift</translation>
        </message>
        <message>
            <source>It skips its middle layers to guess the next words, then checks them all at once with the whole model: the same text, sooner. Move the sliders while it writes and watch the speed.</source>
            <translation>Es lässt seine mittleren Schichten aus, um die nächsten Wörter zu erraten, und prüft sie dann alle auf einmal mit dem ganzen Modell: derselbe Text, nur früher. Bewegen Sie die Regler, während es schreibt, und sehen Sie das Tempo.</translation>
        </message>
        <message>
            <source>Nothing you type leaves this machine.</source>
            <translation>Nichts, was Sie schreiben, verlässt diesen Rechner.</translation>
        </message>
        <message>
            <source>Model</source>
            <translation>Modell</translation>
        </message>
        <message>
            <source>Progress</source>
            <translation>Fortschritt</translation>
        </message>
        <message>
            <source>Retry</source>
            <translation>Noch einmal</translation>
        </message>
        <message>
            <source>Try again to get the model</source>
            <translation>Noch einmal versuchen, das Modell zu bekommen</translation>
        </message>
        <message>
            <source>Ask this</source>
            <translation>Dies fragen</translation>
        </message>
        <message>
            <source>{name} is loaded: {layers} layers, {context} tokens of context, {drafts}.</source>
            <translation>{name} ist geladen: {layers} Schichten, {context} Token Kontext, {drafts}.</translation>
        </message>
        <message>
            <source>with a draft adapter</source>
            <translation>mit Entwurfsadapter</translation>
        </message>
        <message>
            <source>without a draft adapter</source>
            <translation>ohne Entwurfsadapter</translation>
        </message>
    </context>
    <context>
        <name>Window</name>
        <message>
            <source>Copied: versions, hardware, settings and the log, without your chats and tokens. Paste it into your report.</source>
            <translation>Kopiert: Versionen, Hardware, Einstellungen und Protokoll, ohne Ihre Chats und Zugangstoken. Fügen Sie es in Ihre Meldung ein.</translation>
        </message>
        <message>
            <source>Weights</source>
            <translation>Gewichte</translation>
        </message>
        <message>
            <source>Conversation (K/V cache)</source>
            <translation>Gespräch (K/V-Cache)</translation>
        </message>
        <message>
            <source>Drafting (adapter)</source>
            <translation>Entwerfen (Adapter)</translation>
        </message>
        <message>
            <source>Other programs</source>
            <translation>Andere Programme</translation>
        </message>
        <message>
            <source>Rest of this program</source>
            <translation>Rest dieses Programms</translation>
        </message>
        <message>
            <source>Free</source>
            <translation>Frei</translation>
        </message>
        <message>
            <source>Starting</source>
            <translation>Start</translation>
        </message>
        <message>
            <source>Fetching the model</source>
            <translation>Das Modell wird geholt</translation>
        </message>
        <message>
            <source>Loading</source>
            <translation>Wird geladen</translation>
        </message>
        <message>
            <source>Measuring plain speed</source>
            <translation>Einfaches Tempo wird gemessen</translation>
        </message>
        <message>
            <source>Ready</source>
            <translation>Bereit</translation>
        </message>
        <message>
            <source>Reading the prompt</source>
            <translation>Liest die Frage</translation>
        </message>
        <message>
            <source>Writing</source>
            <translation>Schreibt</translation>
        </message>
        <message>
            <source>Measuring plain against drafted</source>
            <translation>Einfach gegen entworfen wird gemessen</translation>
        </message>
        <message>
            <source>No model</source>
            <translation>Kein Modell</translation>
        </message>
        <message>
            <source>The model is being fetched …</source>
            <translation>Das Modell wird geholt …</translation>
        </message>
        <message>
            <source>Measuring plain against drafted …</source>
            <translation>Einfach gegen entworfen wird gemessen …</translation>
        </message>
        <message>
            <source>Choose a model at the top to start</source>
            <translation>Wählen Sie oben ein Modell</translation>
        </message>
        <message>
            <source>The model is loading …</source>
            <translation>Das Modell wird geladen …</translation>
        </message>
        <message>
            <source>Stop loading</source>
            <translation>Laden abbrechen</translation>
        </message>
        <message>
            <source>Stop fetching</source>
            <translation>Holen abbrechen</translation>
        </message>
        <message>
            <source>Ask something first: its answer is what is measured.</source>
            <translation>Fragen Sie zuerst etwas: Gemessen wird an der Antwort.</translation>
        </message>
        <message>
            <source>Load a model first: drafts are trained for one model.</source>
            <translation>Laden Sie zuerst ein Modell: Entwürfe werden für ein Modell trainiert.</translation>
        </message>
        <message>
            <source>Show</source>
            <translation>Zeigen</translation>
        </message>
        <message>
            <source>Another chat is being answered (Escape stops it)</source>
            <translation>Ein anderer Chat wird beantwortet (Escape beendet es)</translation>
        </message>
        <message>
            <source>Turn drafting off</source>
            <translation>Entwerfen ausschalten</translation>
        </message>
        <message>
            <source>Retry</source>
            <translation>Noch einmal</translation>
        </message>
        <message>
            <source>Load anyway</source>
            <translation>Trotzdem laden</translation>
        </message>
    </context>
    <context>
        <name>_Table</name>
        <message>
            <source>Measured times</source>
            <translation>Gemessene Zeiten</translation>
        </message>
        <message>
            <source>Precision</source>
            <translation>Genauigkeit</translation>
        </message>
        <message>
            <source>A token, plain</source>
            <translation>Ein Token, einfach</translation>
        </message>
        <message>
            <source>17 tokens checked</source>
            <translation>17 Token geprüft</translation>
        </message>
        <message>
            <source>A token, drafted</source>
            <translation>Ein Token, entworfen</translation>
        </message>
        <message>
            <source>Tokens read</source>
            <translation>Token gelesen</translation>
        </message>
        <message>
            <source>{speed:,.0f}/s</source>
            <translation>{speed:,.0f}/s</translation>
        </message>
    </context>
</TS>
