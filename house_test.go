package main_test

import (
	"go/ast"
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
	"audit":      {"tenancy"},
	"auth":       {"problem", "tenancy", "audit"},
	"migrations": {},
	"secrets":    {"problem"},
	"storage":    {"problem", "tenancy", "audit", "tracking", "registry", "insight", "auth", "migrations"},
	"embed":      {},
	"docs":       {},
	"testdata":   {},
	"packaging":  {"storage", "embed"},
	"client":     {"problem"},
	"server":     {"problem", "tenancy", "audit", "tracking", "registry", "insight", "auth", "storage", "embed", "docs"},
	"cli":        {"problem", "tenancy", "audit", "tracking", "registry", "insight", "auth", "migrations", "storage", "embed", "docs", "testdata", "client", "server", "secrets"},
}

// owned says which rooms alone may know a package from outside.
var owned = map[string][]string{
	"github.com/gin-gonic/gin":       {"server"},
	"github.com/danielgtaylor/huma":  {"server"},
	"database/sql":                   {"storage", "migrations"},
	"modernc.org/sqlite":             {"storage"},
	"github.com/jackc/pgx":           {"storage"},
	"github.com/pressly/goose":       {"migrations"},
	"github.com/golang-jwt/jwt":      {"auth"},
	"golang.org/x/crypto/bcrypt":     {"auth"},
	"go.etcd.io/bbolt":               {"auth"},
	"github.com/tink-crypto/tink-go": {"auth"},
	"github.com/spf13/cobra":         {"cli"},
	"github.com/aws":                 {"secrets"},
	"gonum.org/v1/gonum":             {"insight"},
}

// pure lists the rooms that do no I/O, and what they would need for it.
var (
	pure = []string{"problem", "tenancy", "audit", "tracking", "registry", "insight"}
	io   = []string{"os", "net", "net/http", "database/sql", "io/fs", "os/exec", "syscall", "log", "log/slog"}
)

// issuers are the functions that may issue a scope, each with its reason. Tests
// may too.
var issuers = map[string]string{
	"auth/service.go: Authenticate":           "an access token that holds",
	"auth/service.go: authenticateAPIToken":   "an API token that holds",
	"auth/hooks.go: AuthenticateDelivery":     "a delivery that its hook's secret signed",
	"auth/storetest/storetest.go: scope":      "the contract's tests",
	"storage/scores.go: Rescore":              "background work in each tenant",
	"storage/search_index.go: indexUnindexed": "background work in each tenant",
}

func TestTheHouseStands(t *testing.T) {
	eachFile(t, func(name string) { checkImports(t, name) })
}

// TestOnlyTheListedIssueScopes finds every mention of tenancy.Issue.
func TestOnlyTheListedIssueScopes(t *testing.T) {
	found := map[string]bool{}
	eachFile(t, func(name string) {
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			if spec.Path.Value == `"maestro/tenancy"` && spec.Name != nil {
				t.Errorf("%s calls package tenancy %s, which hides what it asks of it", name, spec.Name.Name)
			}
		}
		for _, declaration := range parsed.Decls {
			where := name
			if f, ok := declaration.(*ast.FuncDecl); ok {
				where += ": " + f.Name.Name
			}
			ast.Inspect(declaration, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Issue" {
					if of, ok := s.X.(*ast.Ident); ok && of.Name == "tenancy" {
						found[where] = true
					}
				}
				return true
			})
		}
	})
	for where := range found {
		if issuers[where] == "" {
			t.Errorf("%s may not issue a scope", where)
		}
	}
	for where := range issuers {
		if !found[where] {
			t.Errorf("%s issues no scope: take it off the list", where)
		}
	}
}

// eachFile calls check for every file of the house that is no test.
func eachFile(t *testing.T, check func(name string)) {
	t.Helper()
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
		check(name)
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
