package secrets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// write makes a file of that mode, whatever the umask.
func write(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func local(environment map[string]string) *Reader {
	return NewReader(Config{Lookup: func(name string) (string, bool) {
		value, set := environment[name]
		return value, set
	}})
}

func TestSecretsOfThisMachine(t *testing.T) {
	dir := t.TempDir()
	credentials := filepath.Join(dir, "credentials")
	if err := os.Mkdir(credentials, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "plain"), canaryValue+"\r\n", 0o600)
	write(t, filepath.Join(dir, "of a group"), canaryValue+" ", 0o640)
	write(t, filepath.Join(credentials, "metrics"), canaryValue+"\n", 0o400)
	if err := os.Symlink("plain", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	reader := local(map[string]string{"CREDENTIALS_DIRECTORY": credentials, "METRICS": canaryValue})
	reads(t, reader, "file://"+dir+"/plain", canaryValue)
	reads(t, reader, "file://localhost"+dir+"/plain", canaryValue)
	reads(t, reader, "file://"+dir+"/of%20a%20group", canaryValue+" ")
	reads(t, reader, "file://"+dir+"/link", canaryValue)
	reads(t, reader, "env://METRICS", canaryValue)
	reads(t, reader, "credential://metrics", canaryValue)
}

func TestTextsThatAreNoReference(t *testing.T) {
	for _, text := range []string{
		"file://relative", "file://host/path", "file:///", "file://", "file:///%zz", "file:///a%00b",
		"env://", "env://A-B", "env://A/B", "credential://", "credential://..", "credential://a/b",
		"vault://", "vault://kv", "vault://kv/a", "vault://kv/a#", "vault://kv#a", "vault:///a#b", "vault://kv//a#b", "vault://kv/a/#b",
		"vault://kv/../a#b", "vault://kv/%2e%2e/a#b", "vault://..%2fsys/a#b", "vault://kv/a?version=0#b", "vault://kv/a?version=x#b", "vault://kv/a?x=1#b", "vault://kv/a?version=-1#b",
		"awssm://", "awssm://#a", "awssm://a#", "awssm://a b", "awssm://a?stage=#b", "awssm://a?version=1#b", "awssm://a?stage=a%20b#c",
		"vualt://kv/a#" + canaryValue, "VAULT://kv/a#b", "https://" + canaryValue,
	} {
		if !IsReference(text) {
			t.Errorf("%q would be taken for a secret", text)
		}
		fails(t, local(nil), text, "is no reference to a secret: these are file:///PATH", false)
	}
	for _, text := range []string{"", canaryValue, "a:b", "://x", "1://x", "a b://c", "/run/secret"} {
		if IsReference(text) {
			t.Errorf("%q would be taken for a reference", text)
		}
	}
}

// Whatever a reference is read as stays below what it names: no segment of it goes
// up, ends early or begins anew.
func TestAReferenceStaysWhereItPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := "vault://" + rapid.StringMatching(`[a-z%2fFeE./?#=]{0,24}`).Draw(t, "rest")
		r, err := parse(text)
		if err != nil {
			return
		}
		for _, path := range []string{r.mount, r.path} {
			for segment := range strings.SplitSeq(path, "/") {
				if segment == "" || segment == "." || segment == ".." {
					t.Errorf("%s is read as %q below %q", text, r.path, r.mount)
				}
			}
		}
		if r.key == "" || !utf8.ValidString(r.key) && utf8.ValidString(text) && !strings.Contains(text, "%") {
			t.Errorf("%s has the key %q", text, r.key)
		}
		v := &vault{endpoint: &endpoint{}}
		if v.base, err = parseAddress("x", "https://vault.example/below"); err != nil {
			t.Fatal(err)
		}
		if got, want := v.url(r.mount+"/data/"+r.path).Path, "/below/v1/"+r.mount+"/data/"+r.path; got != want {
			t.Errorf("%s asks for %q, want %q", text, got, want)
		}
	})
}
