package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"maestro/embed"
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
	lock := locked(t)
	for _, c := range found.Components {
		if locked, ours := lock[c.Name]; ours && locked != c.Version {
			t.Errorf("%s is %s in the bill, %s in the UI's lock file", c.Name, c.Version, locked)
		}
	}
	for _, name := range []string{"svelte", "bits-ui", "uplot", "@fontsource-variable/inter", "swagger-ui-dist"} {
		if versions[name] == "" {
			t.Errorf("%s is in the pages and not in the bill", name)
		}
	}
	for _, tool := range []string{"vite", "typescript", "vitest"} {
		if lock[tool] == "" || versions[tool] != "" {
			t.Errorf("%s only builds the pages, and is %q in the bill", tool, versions[tool])
		}
	}
	swagger, err := fs.ReadFile(embed.Swagger(), "swagger-ui-bundle.js")
	if err != nil || !bytes.Contains(swagger, []byte(embed.SwaggerVersion)) {
		t.Errorf("the API browser is not the swagger-ui %s of the bill (%v)", embed.SwaggerVersion, err)
	}
	if found.Format != "CycloneDX" || found.Metadata.Component.Version != "v1.2.3" || len(found.Metadata.Component.Hashes) != 1 {
		t.Errorf("the bill begins with %+v", found.Metadata)
	}
	if err := exec.Command(binary, "main.go", "v1").Run(); err == nil {
		t.Error("a file that is no program has a bill")
	}
}

// locked lists the packages of the UI's lock file, with the build's tools.
func locked(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../embed/ui/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for place, p := range lock.Packages {
		if name, top := strings.CutPrefix(place, "node_modules/"); top && !strings.Contains(name, "node_modules/") {
			versions[name] = p.Version
		}
	}
	return versions
}
