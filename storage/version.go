package storage

import sqlite3 "modernc.org/sqlite/lib"

// SQLiteVersion is the version of the SQLite that is translated into this program.
const SQLiteVersion = sqlite3.SQLITE_VERSION
