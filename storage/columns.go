package storage

import (
	"fmt"
	"unsafe"

	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite's functions for a column look the statement up, take its mutex and note
// its failures, each time: of a page of fifty projects, a thousand columns, that
// was a seventh of the time (BenchmarkProjects). A row's values stand side by side
// where the first one is, and what they hold is read there as those functions read
// it. Whatever they would have to convert is left to them.
//
// This leans on how SQLite lays out a value (sqlite3_value, in its vdbeInt.h),
// which the compiler checks against the translation that is linked, and
// TestColumnsAreWhatSQLiteSays against those functions.

// column returns the value of a column of the row that the statement stands on.
func (s *statement) column(i int) *sqlite3.TMem {
	if uint(i) >= uint(s.columns) || s.row == 0 {
		panic(fmt.Sprintf("storage: no column %d of %d, or no row", i, s.columns))
	}
	return (*sqlite3.TMem)(pointer(s.row + uintptr(i)*unsafe.Sizeof(sqlite3.TMem{})))
}

func (s *statement) columnNull(i int) bool { return s.column(i).Fflags&sqlite3.MEM_Null != 0 }

func (s *statement) columnType(i int) int32 {
	_ = s.column(i) // there is one
	return sqlite3.Xsqlite3_column_type(s.d.tls, s.handle, int32(i))
}

func (s *statement) columnInt(i int) int64 {
	v := s.column(i)
	if v.Fflags&(sqlite3.MEM_Int|sqlite3.MEM_IntReal) != 0 {
		return *(*int64)(unsafe.Pointer(&v.Fu))
	}
	return sqlite3.Xsqlite3_column_int64(s.d.tls, s.handle, int32(i))
}

func (s *statement) columnFloat(i int) float64 {
	v := s.column(i)
	if v.Fflags&sqlite3.MEM_Real != 0 {
		return *(*float64)(unsafe.Pointer(&v.Fu))
	}
	return sqlite3.Xsqlite3_column_double(s.d.tls, s.handle, int32(i))
}

// columnBytes returns the column's bytes, valid until the next step.
func (s *statement) columnBytes(i int) []byte {
	v := s.column(i)
	start, n := v.Fz, v.Fn
	blob := v.Fflags&(sqlite3.MEM_Blob|sqlite3.MEM_Zero) == sqlite3.MEM_Blob
	text := v.Fflags&sqlite3.MEM_Str != 0 && v.Fenc == sqlite3.SQLITE_UTF8
	if !blob && !text {
		start = sqlite3.Xsqlite3_column_blob(s.d.tls, s.handle, int32(i))
		n = sqlite3.Xsqlite3_column_bytes(s.d.tls, s.handle, int32(i))
	}
	if start == 0 || n == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(pointer(start)), n)
}
