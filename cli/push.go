package cli

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/problem"
)

func (a *app) artifactPush() *cobra.Command {
	var name, version string
	c := &cobra.Command{Use: "push FILE", Short: "Add a file to the library", Args: cobra.ExactArgs(1),
		Long: "Records an artifact and sends the file as its content; the server keeps it only if its SHA-256 is the one announced.\n" +
			"A push that broke off is completed by the same command. A version that has other content is not overwritten.",
		Example: "  maestro artifact push features.parquet --type dataset --name churn-features --version 2.1.0 --tag churn",
		RunE: func(cmd *cobra.Command, args []string) error {
			members, err := readFields(cmd, artifactFields)
			if err != nil {
				return err
			}
			if name == "" {
				name = filepath.Base(args[0])
			}
			members["name"], members["version"] = name, version
			if _, given := members["media_type"]; !given {
				members["media_type"] = mediaType(args[0])
			}
			body, err := decodeFields[client.ArtifactFields](members)
			if err != nil {
				return err
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }() // only read
			x, err := a.push(cmd.Context(), c, body, file)
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, artifactColumns, x)
		}}
	addFields(c, artifactFields)
	c.Flags().StringVar(&name, "name", "", "its name (default the file's)")
	c.Flags().StringVar(&version, "version", "1.0.0", "its version, unique with the name")
	_ = c.MarkFlagRequired("type") // the flag is there
	return c
}

// content is a file, or what the program carries, that can be read twice.
type content interface {
	io.ReadSeeker
	Stat() (os.FileInfo, error)
}

// push records an artifact, unless it is there, and sends its content, unless
// that is there.
func (a *app) push(ctx context.Context, c *client.Client, fields client.ArtifactFields, file content) (client.Artifact, error) {
	info, err := file.Stat()
	if err != nil {
		return client.Artifact{}, err
	}
	if !info.Mode().IsRegular() {
		return client.Artifact{}, fmt.Errorf("%s is not a file", info.Name())
	}
	sum, err := a.digest(file, info)
	if err != nil {
		return client.Artifact{}, err
	}
	hash := hex.EncodeToString(sum)
	fields.ContentHash = &hash
	x, err := c.CreateArtifact(ctx, client.CreateArtifactParams{}, fields)
	var answer *client.Error
	if errors.As(err, &answer) && problem.Code(answer.Code()) == problem.Conflict {
		x, err = findArtifact(ctx, c, fields.Name+"@"+fields.Version)
		if err == nil && (x.ContentHash == nil || *x.ContentHash != hash) {
			return x, problem.New(problem.Conflict, "Version %s of %s has other content: push this as another version.", fields.Version, fields.Name)
		}
	}
	if err != nil || x.SizeBytes != nil {
		return x, err
	}
	bar := a.showProgress("Sending "+info.Name(), info.Size(), true)
	defer bar.end()
	return c.PutArtifactContent(ctx, x.ID, client.PutArtifactContentParams{ContentDigest: "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":"},
		fields.MediaType, seekable{file, bar})
}

// digest returns the SHA-256 of a file and goes back to its beginning.
func (a *app) digest(file content, info os.FileInfo) ([]byte, error) {
	bar := a.showProgress("Reading "+info.Name(), info.Size(), true)
	defer bar.end()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(h, bar), file); err != nil {
		return nil, err
	}
	_, err := file.Seek(0, io.SeekStart)
	return h.Sum(nil), err
}

// mediaType is a guess from a file's name.
func mediaType(name string) string {
	switch filepath.Ext(name) {
	case ".ipynb":
		return "application/x-ipynb+json"
	case ".parquet":
		return "application/vnd.apache.parquet"
	case ".csv":
		return "text/csv"
	case ".md":
		return "text/markdown"
	}
	if guess := mime.TypeByExtension(filepath.Ext(name)); guess != "" {
		return guess
	}
	return "application/octet-stream"
}
