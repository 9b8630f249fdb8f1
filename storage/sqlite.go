package storage

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"

	"maestro/tenancy"
)

// This file and columns.go are the only ones that speak to SQLite's C interface, as it was
// translated to Go. database/sql and the driver on top of it open every
// connection with a mutex, which is taken for every column read, look up every
// parameter by its name, and box every value: for a page of fifty projects that
// is more than half of the time (BenchmarkProjects: 136 µs through the driver,
// 33 µs here; BenchmarkProject: 6.4 µs and 1.1 µs). A connection here has no mutex
// because one goroutine at a time has it.
//
// Memory that SQLite reads is allocated by its own allocator, never Go's.

// database is one connection, and what is prepared on it.
type database struct {
	tls    *libc.TLS
	signal *libc.TLS // for interrupting from another goroutine
	handle uintptr

	progress func(*libc.TLS, uintptr) int32 // of onProgress; SQLite has its address only
}

// sqliteError is a failure that SQLite reports, with its extended result code.
type sqliteError struct {
	code int32
	text string
}

func (e *sqliteError) Error() string { return e.text }

func openDatabase(path string, pragmas []string) (*database, error) {
	d := &database{tls: libc.NewTLS(), signal: libc.NewTLS()}
	if err := d.open(path, pragmas); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *database) open(path string, pragmas []string) error {
	name, err := libc.CString(path)
	if err != nil {
		return err
	}
	defer libc.Xfree(d.tls, name)
	out := d.allocate(int(unsafe.Sizeof(uintptr(0))))
	defer libc.Xfree(d.tls, out)
	rc := sqlite3.Xsqlite3_open_v2(d.tls, name, out, sqlite3.SQLITE_OPEN_READWRITE|sqlite3.SQLITE_OPEN_NOMUTEX, 0)
	d.handle = *(*uintptr)(pointer(out)) // set even when opening failed
	if rc != sqlite3.SQLITE_OK {
		return d.failure(rc)
	}
	sqlite3.Xsqlite3_extended_result_codes(d.tls, d.handle, 1)
	if err := d.defend(); err != nil {
		return err
	}
	for _, pragma := range pragmas {
		s, err := d.prepare("PRAGMA " + pragma)
		if err != nil {
			return err
		}
		for more := true; more && err == nil; {
			more, err = s.step()
		}
		s.finalize()
		if err != nil {
			return err
		}
	}
	return nil
}

// defend forbids the statements that could damage the file.
func (d *database) defend() error {
	arguments := d.allocate(2 * 8)
	defer libc.Xfree(d.tls, arguments)
	rc := sqlite3.Xsqlite3_db_config(d.tls, d.handle, sqlite3.SQLITE_DBCONFIG_DEFENSIVE, libc.VaList(arguments, int32(1), uintptr(0)))
	if rc != sqlite3.SQLITE_OK {
		return d.failure(rc)
	}
	return nil
}

func (d *database) close() error {
	rc := sqlite3.Xsqlite3_close_v2(d.tls, d.handle)
	d.tls.Close()
	d.signal.Close()
	if rc != sqlite3.SQLITE_OK {
		return &sqliteError{code: rc, text: "closing failed"}
	}
	return nil
}

// autocommits says that no transaction is open: each statement is one.
func (d *database) autocommits() bool { return sqlite3.Xsqlite3_get_autocommit(d.tls, d.handle) != 0 }

// changes returns how many rows the last INSERT, UPDATE or DELETE changed.
func (d *database) changes() int64 { return sqlite3.Xsqlite3_changes64(d.tls, d.handle) }

// lastInsert returns the rowid of the last row that was inserted.
func (d *database) lastInsert() int64 { return sqlite3.Xsqlite3_last_insert_rowid(d.tls, d.handle) }

// interrupt makes the statement that runs fail soon. It may be called from any
// goroutine while the connection is open.
func (d *database) interrupt() { sqlite3.Xsqlite3_interrupt(d.signal, d.handle) }

// onProgress has f called every so many steps of SQLite's machine while a statement
// runs, by its goroutine. The statement goes on when f returns, and is interrupted if
// that is false. f must not use the connection.
func (d *database) onProgress(steps int32, f func() bool) {
	d.progress = func(*libc.TLS, uintptr) int32 {
		if f() {
			return 0
		}
		return 1
	}
	sqlite3.Xsqlite3_progress_handler(d.tls, d.handle, steps, *(*uintptr)(unsafe.Pointer(&d.progress)), 0)
}

func (d *database) failure(rc int32) error {
	text := libc.GoString(sqlite3.Xsqlite3_errstr(d.tls, rc))
	if d.handle != 0 {
		if message := libc.GoString(sqlite3.Xsqlite3_errmsg(d.tls, d.handle)); message != text {
			text += ": " + message
		}
	}
	return &sqliteError{code: rc, text: text + " (" + strconv.Itoa(int(rc)) + ")"}
}

func (d *database) allocate(size int) uintptr {
	p := libc.Xmalloc(d.tls, types.Size_t(max(size, 1)))
	if p == 0 {
		panic("storage: out of memory")
	}
	return p
}

// statement is one prepared statement. Its parameters point into a buffer of its
// own, which lasts until they are bound anew.
type statement struct {
	d       *database
	handle  uintptr
	order   []int // of each parameter: the argument that goes there
	columns int
	row     uintptr // the first value of the row it stands on
	running bool
	buffer  uintptr
	size    int
}

// prepare compiles one statement. Its parameters are $1, $2 …
func (d *database) prepare(text string) (*statement, error) {
	source, err := libc.CString(text)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(d.tls, source)
	out := d.allocate(2 * int(unsafe.Sizeof(uintptr(0))))
	defer libc.Xfree(d.tls, out)
	tail := out + unsafe.Sizeof(uintptr(0))
	rc := sqlite3.Xsqlite3_prepare_v3(d.tls, d.handle, source, int32(len(text)+1), sqlite3.SQLITE_PREPARE_PERSISTENT, out, tail)
	if rc != sqlite3.SQLITE_OK {
		return nil, fmt.Errorf("%w in %q", d.failure(rc), text)
	}
	s := &statement{d: d, handle: *(*uintptr)(pointer(out))}
	if s.handle == 0 || *(*byte)(pointer(*(*uintptr)(pointer(tail)))) != 0 {
		s.finalize()
		return nil, fmt.Errorf("not exactly one statement: %q", text)
	}
	s.columns = int(sqlite3.Xsqlite3_column_count(d.tls, s.handle))
	for i := range sqlite3.Xsqlite3_bind_parameter_count(d.tls, s.handle) {
		name := libc.GoString(sqlite3.Xsqlite3_bind_parameter_name(d.tls, s.handle, i+1))
		number, err := strconv.Atoi(strings.TrimPrefix(name, "$"))
		if err != nil || number < 1 {
			s.finalize()
			return nil, fmt.Errorf("a parameter without a number in %q", text)
		}
		s.order = append(s.order, number-1)
	}
	return s, nil
}

// finalize releases the statement. The result code repeats its last failure.
func (s *statement) finalize() {
	sqlite3.Xsqlite3_finalize(s.d.tls, s.handle)
	libc.Xfree(s.d.tls, s.buffer)
	s.handle, s.buffer, s.size = 0, 0, 0
}

// reset ends the execution, so that the statement can be executed again. The
// result code repeats the failure of the last step.
func (s *statement) reset() {
	sqlite3.Xsqlite3_reset(s.d.tls, s.handle)
	s.row = 0
}

// step runs the statement to its next row, or to its end.
func (s *statement) step() (row bool, err error) {
	switch rc := sqlite3.Xsqlite3_step(s.d.tls, s.handle); rc {
	case sqlite3.SQLITE_ROW:
		if s.row == 0 { // the first step prepares the statement anew when the schema changed
			s.columns = int(sqlite3.Xsqlite3_data_count(s.d.tls, s.handle))
		}
		s.row = sqlite3.Xsqlite3_column_value(s.d.tls, s.handle, 0)
		return true, nil
	case sqlite3.SQLITE_DONE:
		s.row = 0 // there is none to read
		return false, nil
	default:
		return false, s.d.failure(rc)
	}
}

// bind gives every parameter its argument.
func (s *statement) bind(args []any) error {
	need := 1
	for _, argument := range s.order {
		if argument >= len(args) {
			return fmt.Errorf("storage: argument $%d is missing", argument+1)
		}
		switch v := args[argument].(type) {
		case string:
			need += len(v)
		case *string:
			if v != nil {
				need += len(*v)
			}
		case []byte:
			need += len(v)
		case tenancy.ID, *tenancy.ID:
			need += len(tenancy.ID{})
		}
	}
	if need > s.size {
		libc.Xfree(s.d.tls, s.buffer)
		s.size = 2 * need
		s.buffer = s.d.allocate(s.size)
	}
	used := 0
	for i, argument := range s.order {
		if rc := s.bindOne(int32(i+1), args[argument], &used); rc != sqlite3.SQLITE_OK {
			return s.d.failure(rc)
		}
	}
	return nil
}

func (s *statement) bindOne(i int32, arg any, used *int) int32 {
	tls, h := s.d.tls, s.handle
	switch v := arg.(type) {
	case nil:
		return sqlite3.Xsqlite3_bind_null(tls, h, i)
	case int64:
		return sqlite3.Xsqlite3_bind_int64(tls, h, i, v)
	case int:
		return sqlite3.Xsqlite3_bind_int64(tls, h, i, int64(v))
	case bool:
		if v {
			return sqlite3.Xsqlite3_bind_int64(tls, h, i, 1)
		}
		return sqlite3.Xsqlite3_bind_int64(tls, h, i, 0)
	case float64:
		return sqlite3.Xsqlite3_bind_double(tls, h, i, v)
	case tenancy.Time:
		return sqlite3.Xsqlite3_bind_int64(tls, h, i, int64(v))
	case string:
		return sqlite3.Xsqlite3_bind_text(tls, h, i, s.keep(v, used), int32(len(v)), sqlite3.SQLITE_STATIC)
	case []byte:
		if v == nil {
			return sqlite3.Xsqlite3_bind_null(tls, h, i)
		}
		return sqlite3.Xsqlite3_bind_blob(tls, h, i, s.keep(unsafe.String(unsafe.SliceData(v), len(v)), used), int32(len(v)), sqlite3.SQLITE_STATIC)
	case tenancy.ID:
		return sqlite3.Xsqlite3_bind_blob(tls, h, i, s.keep(unsafe.String(&v[0], len(v)), used), int32(len(v)), sqlite3.SQLITE_STATIC)
	case *tenancy.ID:
		if v != nil {
			return s.bindOne(i, *v, used)
		}
	case *tenancy.Time:
		if v != nil {
			return s.bindOne(i, *v, used)
		}
	case *string:
		if v != nil {
			return s.bindOne(i, *v, used)
		}
	case *float64:
		if v != nil {
			return s.bindOne(i, *v, used)
		}
	case *int64:
		if v != nil {
			return s.bindOne(i, *v, used)
		}
	default:
		panic(fmt.Sprintf("storage: cannot bind a %T", arg))
	}
	return sqlite3.Xsqlite3_bind_null(tls, h, i)
}

// keep copies text into the statement's buffer and returns where it is.
func (s *statement) keep(text string, used *int) uintptr {
	at := s.buffer + uintptr(*used)
	copy(unsafe.Slice((*byte)(pointer(at)), len(text)+1), text)
	*used += len(text)
	return at
}

// pointer makes an address of SQLite's memory, which Go's collector does not
// move, a pointer.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }
