package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maestro/problem"
)

// maxBundled bounds each file of a support bundle, in bytes.
const maxBundled = 8 << 20

func (a *app) supportCommand() *cobra.Command {
	var out string
	c := &cobra.Command{Use: "support-bundle", Short: "Collect what helps to find a fault, and no secret, in one file", Args: cobra.NoArgs,
		Long: "Writes a .tar.gz with the version, the configuration without secrets, what maestro doctor finds, sizes and modes of the data\n" +
			"directory's files and, from a running server, metrics and goroutines. It holds no row, no content, no key, no name of a\n" +
			"tenant or user. Look at it before you give it away: it is text.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Lstat(out); err == nil {
				return problem.New(problem.Conflict, "%s exists.", out)
			}
			files, err := a.bundle(cmd)
			if err != nil {
				return err
			}
			text, err := packBundle(files, time.Now().Truncate(time.Second))
			if err != nil {
				return err
			}
			if err := replaceFile(out, text); err != nil {
				return err
			}
			a.note("Wrote %s: %d files. Look at them before you give them away.", out, len(files))
			return nil
		}}
	a.addServeFlags(c)
	c.Flags().StringVar(&out, "out", "", "the file to write, .tar.gz; it must not exist")
	_ = c.MarkFlagRequired("out") // the flag is there
	return c
}

// bundle collects the files of a support bundle, by name.
func (a *app) bundle(cmd *cobra.Command) (map[string][]byte, error) {
	files := map[string][]byte{}
	add := func(name string, content any) error {
		text, err := json.MarshalIndent(content, "", "  ")
		files[name] = append(text, '\n')
		return err
	}
	findings, err := a.diagnose(cmd, false)
	if err != nil {
		return nil, err
	}
	settings, err := a.effectiveSettings(cmd, false)
	if err != nil {
		settings = []effective{{Name: "the configuration does not hold", Value: err.Error()}}
	}
	dir := presetOf("data")
	for i, s := range settings {
		if s.Name == "data" {
			dir = s.Value
		}
		if s.Value != "" && namesPerson(s.Name) {
			settings[i].Value = redacted
		}
	}
	build, _ := debug.ReadBuildInfo()
	listing, err := listDirectory(dir)
	if err != nil {
		listing = []string{err.Error()}
	}
	err = errors.Join(
		add("version.json", map[string]string{"version": Version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "modules": build.String()}),
		add("configuration.json", settings), add("doctor.json", findings), add("directory.json", listing))
	if err != nil {
		return nil, err
	}
	for name, path := range map[string]string{"ready.json": "/readyz", "metrics.txt": "/metrics", "goroutines.txt": "/debug/pprof/goroutine?debug=1"} {
		text, err := askControl(cmd.Context(), dir, path)
		if err != nil {
			text = []byte(err.Error() + "\n") // no server runs, or it is what is to be found out
		}
		files[name] = text
	}
	return files, nil
}

// namesPerson reports whether an option's value is somebody's address.
func namesPerson(name string) bool {
	return slices.ContainsFunc(serveOptions, func(o option[ServeSettings]) bool { return o.name == name && o.unit == "EMAIL" })
}

func askControl(ctx context.Context, dir, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := control(ctx, dir, path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(body, maxBundled))
	return text, errors.Join(err, body.Close())
}

// listDirectory tells size, mode and time of the files of a data directory; of
// content only how much there is.
func listDirectory(dir string) (lines []string, err error) {
	blobs, bytes := 0, int64(0)
	err = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if strings.HasPrefix(relative, "blobs"+string(filepath.Separator)) {
			if info.Mode().IsRegular() {
				blobs, bytes = blobs+1, bytes+info.Size()
			}
			return nil
		}
		lines = append(lines, fmt.Sprintf("%s %12d %s %s", info.Mode(), info.Size(), info.ModTime().UTC().Format(time.RFC3339), filepath.ToSlash(relative)))
		return nil
	})
	return append(lines, fmt.Sprintf("%d contents, %d bytes", blobs, bytes)), err
}

func packBundle(files map[string][]byte, now time.Time) ([]byte, error) {
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	archive := tar.NewWriter(packed)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := archive.WriteHeader(&tar.Header{Name: "maestro-support/" + name, Mode: 0o600, Size: int64(len(files[name])), ModTime: now}); err != nil {
			return nil, err
		}
		if _, err := archive.Write(files[name]); err != nil {
			return nil, err
		}
	}
	err := errors.Join(archive.Close(), packed.Close())
	return out.Bytes(), err
}
