package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/problem"
)

func (a *app) artifactPull() *cobra.Command {
	var target string
	c := a.onArtifact("pull ARTIFACT", "Fetch an artifact's content", cobra.ExactArgs(1), func(cmd *cobra.Command, c *client.Client, x client.Artifact, _ []string) error {
		if x.SizeBytes == nil || x.ContentHash == nil {
			text := "The artifact has no content on the server."
			if x.StorageURI != "" {
				text += " It is kept at " + x.StorageURI
			}
			return problem.New(problem.NotFound, "%s", text)
		}
		if target == "-" {
			return a.pullTo(cmd.Context(), c, &x, a.out)
		}
		if target == "" {
			target = fileName(x.Name)
		}
		if err := a.pull(cmd.Context(), c, &x, target); err != nil {
			return err
		}
		a.note("Wrote %s: %s, SHA-256 %s.", target, sizeText(*x.SizeBytes), *x.ContentHash)
		return nil
	})
	c.Long += "\n\nThe content is written under its final name only when all of it is there and its SHA-256 is the artifact's. What is there\n" +
		"of a pull that broke off is not fetched again."
	c.Flags().StringVar(&target, "to", "", "file to write, - for standard output (default the artifact's name)")
	return c
}

// fileName makes a name for a file in the working directory of an artifact's
// name, which may hold anything.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	return strings.TrimLeft(name, ".")
}

// download is content on its way to a file.
type download struct {
	file io.Writer
	hash hash.Hash
	have int64 // bytes that are there
	size int64
	bar  *progress
}

// pullTo writes an artifact's content to w. A wrong digest is known only at the
// end.
func (a *app) pullTo(ctx context.Context, c *client.Client, x *client.Artifact, w io.Writer) error {
	d := &download{file: w, hash: sha256.New(), size: *x.SizeBytes, bar: &progress{}}
	return d.run(ctx, c, x)
}

// pull writes an artifact's content to the file target, through a file beside it
// that a later pull goes on with.
func (a *app) pull(ctx context.Context, c *client.Client, x *client.Artifact, target string) error {
	if there, err := hashFile(target); err == nil {
		if there == *x.ContentHash {
			return nil
		}
		return problem.New(problem.Conflict, "%s exists and is something else.", target)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	part := filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+"."+(*x.ContentHash)[:16]+".part")
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	d := &download{file: file, hash: sha256.New(), size: *x.SizeBytes, bar: a.showProgress("Fetching "+x.Name, *x.SizeBytes, true)}
	d.have, err = io.Copy(d.hash, file)
	if err == nil && d.have > d.size {
		d.have, err = 0, errors.Join(file.Truncate(0), rewind(file))
		d.hash.Reset()
	}
	d.bar.set(d.have)
	if err == nil {
		err = d.run(ctx, c, x)
	}
	d.bar.end()
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	var answer *problem.Error
	switch {
	case err == nil:
		return os.Rename(part, target)
	case errors.As(err, &answer) && answer.Code == problem.DigestMismatch:
		return errors.Join(err, os.Remove(part)) // what is there would never fit
	}
	return err
}

func rewind(file io.Seeker) error {
	_, err := file.Seek(0, io.SeekStart)
	return err
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // only read
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// maxBreaks is how often a transfer may break without a byte between.
const maxBreaks = 3

// run fetches what is missing and compares the digest of all.
func (d *download) run(ctx context.Context, c *client.Client, x *client.Artifact) error {
	for breaks := 0; d.have < d.size; {
		before := d.have
		err := d.fetch(ctx, c, x.ID)
		var lost *client.ConnectionError
		if err != nil && !errors.As(err, &lost) {
			return err
		}
		if d.have > before {
			breaks = 0
		} else if breaks++; err != nil && breaks == maxBreaks {
			return err
		} else if err == nil && d.have == before {
			return fmt.Errorf("the server sent %d bytes of %d", d.have, d.size)
		}
	}
	if got := hex.EncodeToString(d.hash.Sum(nil)); got != *x.ContentHash {
		return problem.New(problem.DigestMismatch, "The content's SHA-256 is %s, not %s: it was damaged on the way, or changed meanwhile. Pull it again.", got, *x.ContentHash)
	}
	return nil
}

// fetch asks for what is missing and writes what comes of it.
func (d *download) fetch(ctx context.Context, c *client.Client, id string) error {
	var params client.GetArtifactContentParams
	if d.have > 0 {
		params.Range = fmt.Sprintf("bytes=%d-", d.have)
	}
	response, err := c.GetArtifactContent(ctx, id, params)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if d.have > 0 && response.StatusCode != http.StatusPartialContent {
		return fmt.Errorf("the server cannot go on at byte %d", d.have)
	}
	wire := &source{Reader: response.Body}
	n, err := io.Copy(io.MultiWriter(d.file, d.hash, d.bar), io.LimitReader(wire, d.size-d.have))
	d.have += n
	if wire.err != nil && ctx.Err() == nil {
		return &client.ConnectionError{URL: response.Request.URL.Host, Err: wire.err}
	}
	return err
}

// source tells a connection that broke from a disk that is full.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
