#!/bin/sh
# Makes the account, lets it read the configuration, and starts nothing.
set -e
if command -v systemd-sysusers >/dev/null; then systemd-sysusers maestro.conf; fi
if getent group maestro >/dev/null; then chgrp maestro /etc/maestro/maestro.toml; fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
