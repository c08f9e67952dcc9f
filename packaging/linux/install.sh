#!/bin/sh
# Puts S3D Chat into the menu of this user's desktop, and `s3d` among this user's commands. Nothing is copied: the
# folder must stay where it is. `./install.sh --remove` takes both away again; chats and models stay.
set -eu
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
data=${XDG_DATA_HOME:-$HOME/.local/share}
entry=$data/applications/s3d-chat.desktop
picture=$data/icons/hicolor/scalable/apps/s3d-chat.svg
command=$HOME/.local/bin/s3d
if [ "${1:-}" = --remove ]; then
    rm -f "$entry" "$picture" "$command"
    echo "S3D Chat is no longer in the menu. Chats and models are still in $data/s3d-chat."
    exit 0
fi
mkdir -p "$(dirname "$entry")" "$(dirname "$picture")" "$(dirname "$command")"
cp "$here/s3d-chat.svg" "$picture"
# In a desktop file a path stands in quotes, and each % twice.
sed "s|^Exec=.*|Exec=\"$(printf '%s' "$here" | sed 's/%/%%/g; s/[&|]/\\&/g')/s3d-chat\"|" "$here/s3d-chat.desktop" > "$entry"
ln -sf "$here/s3d" "$command"
echo "S3D Chat is in the menu now, and \`s3d\` in $(dirname "$command")."
