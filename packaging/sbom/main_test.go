package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"maestro/storage"
)

// TestTheBillNamesEverything makes the bill of this program itself.
func TestTheBillNamesEverything(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "sbom")
	if output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	bill := func() []byte {
		t.Helper()
		text, err := exec.Command(binary, binary, "v1.2.3").Output()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	text := bill()
	if !bytes.Equal(text, bill()) {
		t.Error("two bills of one binary differ")
	}
	var found document
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, c := range found.Components {
		versions[c.Name] = c.Version
	}
	if versions["sqlite"] != storage.SQLiteVersion || !strings.HasPrefix(storage.SQLiteVersion, "3.") {
		t.Errorf("SQLite is %q, want %s", versions["sqlite"], storage.SQLiteVersion)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 5 {
		t.Fatalf("only %d modules are in the binary", len(info.Deps))
	}
	for _, m := range info.Deps {
		if m.Replace == nil && versions[m.Path] != m.Version {
			t.Errorf("%s is %q in the bill, %s in the binary", m.Path, versions[m.Path], m.Version)
		}
	}
	if found.Format != "CycloneDX" || found.Metadata.Component.Version != "v1.2.3" || len(found.Metadata.Component.Hashes) != 1 {
		t.Errorf("the bill begins with %+v", found.Metadata)
	}
	if err := exec.Command(binary, "main.go", "v1").Run(); err == nil {
		t.Error("a file that is no program has a bill")
	}
}
