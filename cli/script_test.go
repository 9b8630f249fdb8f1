package cli_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/bcrypt"
	_ "modernc.org/sqlite"

	"maestro/auth"
	"maestro/cli"
	"maestro/client"
)

// The scripts in testdata/script run the real program, as processes of their
// own, against a real server.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"maestro": func() { os.Exit(cli.Main()) }})
}

const (
	operatorEmail    = "operator@example.org"
	operatorPassword = "a long enough passphrase for operators"
	adminPassword    = "a long enough passphrase for admins"
)

func TestScripts(t *testing.T) {
	appliance := &cli.Appliance{Hash: auth.HasherConfig{InsecureTestCost: bcrypt.MinCost}, Settings: cli.ServeSettings{Data: t.TempDir(), Listen: "127.0.0.1:0",
		AdminEmail: operatorEmail, AdminPassword: operatorPassword, DrainTimeout: 5 * time.Second}}
	if err := appliance.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := appliance.Close(); err != nil {
			t.Error(err)
		}
	})
	operator := loggedIn(t, appliance.URL())
	// The scripts run in parallel: they end before this subtest does, and the
	// server after it.
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 "testdata/script",
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
			Setup:               func(env *testscript.Env) error { return setUp(env, appliance.URL(), operator) },
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"exits":       exits,
				"private":     private,
				"expire":      expire,
				"newerschema": newerSchema, "legacy": legacyDatabase, "breaktrail": breakTrail,
				"breaks":     breaks,
				"jsonenv":    jsonEnv,
				"waitfor":    waitFor,
				"demologin":  demoLogin,
				"flip":       flip,
				"eventually": eventually,
			},
		})
	})
}

func loggedIn(t *testing.T, url string) *client.Client {
	t.Helper()
	stranger, err := client.New(client.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	grant, err := stranger.LogIn(t.Context(), client.LoginRequest{Email: operatorEmail, Password: operatorPassword})
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Options{URL: url, Credential: client.Token(grant.AccessToken)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// setUp gives a script a tenant of its own with a tenant_admin, the accounts'
// passwords as files, and a home without a session.
func setUp(env *testscript.Env, url string, operator *client.Client) error {
	slug := "t-" + strings.ToLower(rand.Text()[:8])
	email := "admin@" + slug + ".example"
	_, err := operator.CreateTenant(context.Background(), client.NewTenant{Name: slug, Slug: slug,
		Admin: &client.FirstAdmin{Email: email, Name: "Admin", Password: adminPassword}})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	free := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	env.Setenv("URL", url)
	env.Setenv("TAKEN", strings.TrimPrefix(url, "http://"))
	env.Setenv("SLUG", slug)
	env.Setenv("EMAIL", email)
	env.Setenv("PASSWORD", adminPassword)
	env.Setenv("OPERATOR", operatorEmail)
	tables, err := filepath.Abs("../testdata/projects")
	if err != nil {
		return err
	}
	env.Setenv("TABLES", tables)
	env.Setenv("DIRECTORIES", filepath.Join(filepath.Dir(tables), "directories"))
	env.Setenv("FREE", free) // an address that nobody listens on
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
	env.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	for name, password := range map[string]string{"password": adminPassword, "operator-password": operatorPassword, "typed": email + "\n" + adminPassword} {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(password+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// exits CODE PROGRAM ARGS... runs a program that must end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// private FILE MODE requires a file of that mode.
func private(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: private FILE MODE")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

// expire FILE makes the access token of a session look expired, and be wrong.
func expire(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expire FILE")
	}
	path := ts.MkAbs(args[0])
	var session map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &session))
	session["expires_at"], session["access_token"] = "2020-01-01T00:00:00Z", "expired"
	text, err := json.Marshal(session)
	ts.Check(err)
	ts.Check(os.WriteFile(path, text, 0o600))
}

// newerschema DIR makes a data directory look like one of a later version.
func newerSchema(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newerschema DIR")
	}
	db, err := sql.Open("sqlite", filepath.Join(ts.MkAbs(args[0]), "maestro.db"))
	ts.Check(err)
	_, err = db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	ts.Check(errors.Join(err, db.Close()))
}

// breaktrail DIR SLUG removes an event from the audit trail of a tenant, also while a
// server runs on the data directory.
func breakTrail(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: breaktrail DIR SLUG")
	}
	db, err := sql.Open("sqlite", filepath.Join(ts.MkAbs(args[0]), "maestro.db")+"?_pragma=busy_timeout(10000)")
	ts.Check(err)
	_, err = db.Exec("DELETE FROM audit_events WHERE sequence = 1 AND tenant_id = (SELECT id FROM tenants WHERE slug = ?)", args[1])
	ts.Check(errors.Join(err, db.Close()))
}

// legacyDatabase FILE EMAIL PASSWORD makes a database of the older system with one
// user, an admin, and one project.
func legacyDatabase(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: legacy FILE EMAIL PASSWORD")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(args[2]), bcrypt.MinCost)
	ts.Check(err)
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	for _, statement := range []string{
		"CREATE TABLE users (id CHAR(32) NOT NULL, email VARCHAR(255), hashed_password VARCHAR(255), role VARCHAR(50), PRIMARY KEY (id))",
		"CREATE TABLE projects (id CHAR(32) NOT NULL, name VARCHAR(255), complexity_score FLOAT, created_at DATETIME, PRIMARY KEY (id))",
		"INSERT INTO users VALUES ('00000000000040008000000000000001', '" + args[1] + "', '" + strings.Replace(string(hash), "$2a$", "$2b$", 1) + "', 'admin')",
		"INSERT INTO projects VALUES ('00000000000040008000000000000002', 'From long ago', 500, '2020-01-02 03:04:05.678901')",
	} {
		_, err := db.Exec(statement)
		ts.Check(err)
	}
	ts.Check(db.Close())
}

// breaks VARIABLE BYTES puts a proxy before the server that breaks the first
// download after so many bytes, and names it in the variable.
func breaks(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: breaks VARIABLE BYTES")
	}
	limit, err := strconv.Atoi(args[1])
	ts.Check(err)
	target, err := url.Parse(ts.Getenv("URL"))
	ts.Check(err)
	var broken atomic.Bool
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/content") && broken.CompareAndSwap(false, true) {
			w = &breakingWriter{ResponseWriter: w, left: limit}
		}
		proxy.ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}

// breakingWriter ends the connection after some bytes of the body.
type breakingWriter struct {
	http.ResponseWriter
	left int
}

func (w *breakingWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		_, _ = w.ResponseWriter.Write(b[:w.left]) // the connection ends either way
		w.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	w.left -= len(b)
	return w.ResponseWriter.Write(b)
}

// jsonenv VARIABLE MEMBER takes a member of the object on the last command's
// standard output.
func jsonEnv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: jsonenv VARIABLE MEMBER")
	}
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &object))
	value, ok := object[args[1]].(string)
	if !ok {
		ts.Fatalf("there is no text %s in %v", args[1], object)
	}
	ts.Setenv(args[0], value)
}

// waitfor FILE TEXT waits until a file has a text.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor FILE TEXT")
	}
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(text), args[1]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s has no %s after five minutes", args[0], args[1])
		}
	}
}

// flip FILE BYTE flips a bit of one byte of a file.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE BYTE")
	}
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	content, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	content[at] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), content, 0o600))
}

// eventually TEXT PROGRAM ARGS... runs a program until its output has a text.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually TEXT PROGRAM ARGS...")
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the output has no %s after a minute", args[0])
		}
	}
}

// demologin FILE TENANT puts the password of the demo's account in a tenant into
// the file demo-password.
func demoLogin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: demologin FILE TENANT")
	}
	var logins []struct{ Tenant, Password string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &logins))
	for _, l := range logins {
		if l.Tenant == args[1] {
			ts.Check(os.WriteFile(ts.MkAbs("demo-password"), []byte(l.Password), 0o600))
			return
		}
	}
	ts.Fatalf("there is no account of %q", args[1])
}
