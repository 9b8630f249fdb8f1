package main_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// rooms says which rooms each room may know. Arrows point down only; a room that
// is not here is not built.
var rooms = map[string][]string{
	"":           {"cli"},
	"problem":    {},
	"tenancy":    {"problem"},
	"tracking":   {"problem", "tenancy"},
	"registry":   {"problem", "tenancy"},
	"insight":    {},
	"auth":       {"problem", "tenancy"},
	"migrations": {},
	"secrets":    {"problem"},
	"storage":    {"problem", "tenancy", "tracking", "registry", "insight", "auth", "migrations"},
	"embed":      {},
	"docs":       {},
	"testdata":   {},
	"client":     {"problem"},
	"server":     {"problem", "tenancy", "tracking", "registry", "insight", "auth", "storage", "embed", "docs"},
	"cli":        {"problem", "tenancy", "tracking", "registry", "insight", "auth", "migrations", "secrets", "storage", "embed", "docs", "testdata", "client", "server"},
}

// owned says which rooms alone may know a package from outside.
var owned = map[string][]string{
	"github.com/gin-gonic/gin":      {"server"},
	"github.com/danielgtaylor/huma": {"server"},
	"database/sql":                  {"storage", "migrations"},
	"modernc.org/sqlite":            {"storage"},
	"github.com/pressly/goose":      {"migrations"},
	"github.com/golang-jwt/jwt":     {"auth"},
	"golang.org/x/crypto/bcrypt":    {"auth"},
	"go.etcd.io/bbolt":              {"auth"},
	"github.com/spf13/cobra":        {"cli"},
	"gonum.org/v1/gonum":            {"insight"},
}

// pure lists the rooms that do no I/O, and what they would need for it.
var (
	pure = []string{"problem", "tenancy", "tracking", "registry", "insight"}
	io   = []string{"os", "net", "net/http", "database/sql", "io/fs", "os/exec", "syscall", "log", "log/slog"}
)

func TestTheHouseStands(t *testing.T) {
	files := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := path.Base(name); name != "." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "bin" || base == "data" || name == "bench") {
				return fs.SkipDir // bench is a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		files++
		checkImports(t, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("looked at only %d files", files)
	}
}

func checkImports(t *testing.T, name string) {
	t.Helper()
	room, _, nested := strings.Cut(name, "/")
	if !nested {
		room = ""
	}
	mayKnow, known := rooms[room]
	if !known {
		t.Errorf("%s stands in a room that the house does not have", name)
		return
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range parsed.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		if ours, ok := strings.CutPrefix(imported, "maestro/"); ok {
			other, _, _ := strings.Cut(ours, "/")
			if other != room && !slices.Contains(mayKnow, other) {
				t.Errorf("%s may not know %s", name, imported)
			}
		}
		for owner, allowed := range owned {
			if (imported == owner || strings.HasPrefix(imported, owner+"/")) && !slices.Contains(allowed, room) {
				t.Errorf("%s may not know %s: only %s may", name, imported, strings.Join(allowed, ", "))
			}
		}
		if slices.Contains(pure, room) && slices.Contains(io, imported) {
			t.Errorf("%s does I/O: it imports %s", name, imported)
		}
	}
}

// TestTheDatabaseAndItsLibraryFit compares the C library's version with the one
// that the database driver's own go.mod names: another one corrupts memory.
func TestTheDatabaseAndItsLibraryFit(t *testing.T) {
	found, err := exec.Command("go", "list", "-m", "-f", "{{.GoMod}}", "modernc.org/sqlite").Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	ours := requirement(t, "go.mod", "modernc.org/libc")
	theirs := requirement(t, strings.TrimSpace(string(found)), "modernc.org/libc")
	if ours != theirs {
		t.Errorf("go.mod requires modernc.org/libc %s, the driver was made with %s", ours, theirs)
	}
}

func requirement(t *testing.T, file, module string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if i := slices.Index(fields, module); i >= 0 && i+1 < len(fields) {
			return fields[i+1]
		}
	}
	t.Fatalf("%s does not require %s", file, module)
	return ""
}
