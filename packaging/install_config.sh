#!/bin/sh
# install_config.sh: puts the configuration file in place where there is none yet. Called by `meson install`.
#
# Usage: install_config.sh FILE FOLDER
set -eu
folder=${DESTDIR:-}$2
if [ -e "$folder/tuplet.conf" ]; then
  [ -n "${MESON_INSTALL_QUIET:-}" ] || echo "Left as it is: $folder/tuplet.conf"
  exit 0
fi
mkdir -p "$folder"
cp "$1" "$folder/tuplet.conf"
chmod 0644 "$folder/tuplet.conf"
