package embed

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// The UI is built by other tools and committed, so that Go alone builds the
// product. What is committed must be what the sources make: dist.sum holds the
// hashes of both as they were at the build.
func TestTheBuiltUIIsOfTheseSources(t *testing.T) {
	text, err := os.ReadFile("dist.sum")
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		hash, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			t.Fatalf("dist.sum has the line %q", line)
		}
		want[name] = hash
	}
	got := sums(t, "ui", "dist")
	if len(got) < 50 {
		t.Fatalf("looked at only %d files", len(got))
	}
	for name, hash := range got {
		switch {
		case want[name] == "":
			t.Errorf("%s came after the build", name)
		case want[name] != hash:
			t.Errorf("%s was changed after the build", name)
		}
	}
	for name := range want {
		if got[name] == "" {
			t.Errorf("%s is gone since the build", name)
		}
	}
	if t.Failed() {
		t.Log("run make ui, and commit embed/dist and embed/dist.sum")
	}
}

// apart lists what lies in ui and takes no part in the build, as
// ui/build/manifest.js does.
var apart = []string{"ui/node_modules", "ui/e2e", "ui/src/api/schema.d.ts"}

func sums(t *testing.T, directories ...string) map[string]string {
	t.Helper()
	sums := make(map[string]string)
	for _, directory := range directories {
		err := fs.WalkDir(os.DirFS("."), directory, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if slices.Contains(apart, name) || strings.HasPrefix(path.Base(name), ".") || strings.HasSuffix(name, ".test.ts") {
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if entry.IsDir() {
				return nil
			}
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(content)
			sums[name] = hex.EncodeToString(sum[:])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return sums
}
