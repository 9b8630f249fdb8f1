// Command sbom writes the bill of materials of a built Maestro to standard output:
// CycloneDX 1.6 JSON, from what the linker wrote into the binary. The same binary
// always has the same bill.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"maestro/embed"
	"maestro/storage"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sbom BINARY VERSION")
		os.Exit(2)
	}
	if err := write(os.Stdout, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

type document struct {
	Format      string      `json:"bomFormat"`
	SpecVersion string      `json:"specVersion"`
	Serial      string      `json:"serialNumber"`
	Version     int         `json:"version"`
	Metadata    metadata    `json:"metadata"`
	Components  []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type        string     `json:"type"`
	Ref         string     `json:"bom-ref"`
	Name        string     `json:"name"`
	Version     string     `json:"version"`
	Description string     `json:"description,omitempty"`
	PURL        string     `json:"purl,omitempty"`
	CPE         string     `json:"cpe,omitempty"`
	Hashes      []digest   `json:"hashes,omitempty"`
	Licenses    []license  `json:"licenses,omitempty"`
	Properties  []property `json:"properties,omitempty"`
}

type digest struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

// license is an expression of SPDX.
type license struct {
	Expression string `json:"expression"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// sqliteModule is the module that SQLite was translated in.
const sqliteModule = "modernc.org/sqlite"

func write(w io.Writer, binary, version string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	sum, err := sumOf(binary)
	if err != nil {
		return err
	}
	program := component{Type: "application", Ref: "maestro", Name: "maestro", Version: version,
		Hashes: []digest{{"SHA-256", sum}}, Properties: []property{{"go", info.GoVersion}}}
	for _, s := range info.Settings {
		if s.Key == "GOOS" || s.Key == "GOARCH" || s.Key == "vcs.revision" {
			program.Properties = append(program.Properties, property{s.Key, s.Value})
		}
	}
	bill := document{Format: "CycloneDX", SpecVersion: "1.6", Serial: serial(sum), Version: 1, Metadata: metadata{program},
		Components: []component{{Type: "library", Ref: "go", Name: "go", Version: strings.TrimPrefix(info.GoVersion, "go"),
			Description: "The Go standard library and runtime", PURL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go")}}}
	for _, dependency := range info.Deps {
		m := dependency
		if m.Replace != nil {
			m = m.Replace
		}
		bill.Components = append(bill.Components, component{Type: "library", Ref: m.Path, Name: m.Path, Version: m.Version,
			PURL: "pkg:golang/" + m.Path + "@" + m.Version, Properties: []property{{"go.sum", m.Sum}}})
	}
	sqlite, err := sqliteIn(info)
	if err != nil {
		return err
	}
	packages, err := packagesOf(embed.UI())
	if err != nil {
		return err
	}
	bill.Components = append(append(bill.Components, sqlite, npm("swagger-ui-dist", embed.SwaggerVersion, "Apache-2.0")), packages...)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(bill)
}

// sqliteIn names the SQLite that is translated into the binary, which no list of Go
// modules does. This program has the same, or says nothing.
func sqliteIn(info *debug.BuildInfo) (component, error) {
	here, ok := debug.ReadBuildInfo()
	if !ok {
		return component{}, errors.New("this program does not know what it was built from")
	}
	in := func(b *debug.BuildInfo) string {
		for _, m := range b.Deps {
			if m.Path == sqliteModule {
				return m.Version
			}
		}
		return ""
	}
	if in(info) == "" || in(info) != in(here) {
		return component{}, fmt.Errorf("the binary has %s %q, this program %q", sqliteModule, in(info), in(here))
	}
	return component{Type: "library", Ref: "sqlite", Name: "sqlite", Version: storage.SQLiteVersion,
		Description: "SQLite's C source, translated to Go in " + sqliteModule, PURL: "pkg:generic/sqlite@" + storage.SQLiteVersion,
		CPE: "cpe:2.3:a:sqlite:sqlite:" + storage.SQLiteVersion + ":*:*:*:*:*:*:*"}, nil
}

func sumOf(name string) (string, error) {
	file, err := os.Open(name) // #nosec G703 -- the caller's own file
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	_, err = io.Copy(hash, file)
	return hex.EncodeToString(hash.Sum(nil)), errors.Join(err, file.Close())
}

// serial is a UUID (version 8) made of the binary's digest.
func serial(sum string) string {
	return fmt.Sprintf("urn:uuid:%s-%s-8%s-8%s-%s", sum[:8], sum[8:12], sum[13:16], sum[17:20], sum[20:32])
}
