package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maestro/client"
)

// healthPoll is how long to wait between two looks at a server that is not ready.
const healthPoll = 50 * time.Millisecond

func (a *app) healthCommand() *cobra.Command {
	var wait time.Duration
	var data string
	c := remote(&cobra.Command{
		Use: "healthcheck", Short: "Say whether a server is ready, by the exit code", Args: cobra.NoArgs,
		Long: "Ends with 0 when the server is ready and with 7 when it is not, or cannot be reached: for containers and scripts.\n" +
			"With --data, or with MAESTRO_DATA and no URL, it asks through the socket in the data directory, where neither\n" +
			"certificates nor addresses matter.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := a.clientSettings(cmd)
			if err != nil {
				return err
			}
			roots, err := rootsOf(settings.roots)
			if err != nil {
				return err
			}
			if data == "" && settings.url == "" {
				data, _ = a.lookup("MAESTRO_DATA")
			}
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
			url := cmp.Or(settings.url, defaultURL)
			if data != "" {
				transport, url = controlTransport(data), controlURL
			}
			caller := &http.Client{Transport: transport}
			ctx, cancel := context.WithTimeout(cmd.Context(), max(wait, 5*time.Second))
			defer cancel()
			deadline := time.Now().Add(wait)
			for {
				err := ready(ctx, caller, url)
				if err == nil || time.Now().After(deadline) {
					return err
				}
				time.Sleep(healthPoll)
			}
		},
	})
	c.Flags().DurationVar(&wait, "wait", 0, "how long to wait until it is ready")
	c.Flags().StringVar(&data, "data", "", "ask the server on this machine that has this data directory")
	c.MarkFlagsMutuallyExclusive("data", "url")
	return c
}

// ready fails unless the server says that it is ready.
func ready(ctx context.Context, caller *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return &usageError{err}
	}
	response, err := caller.Do(request)
	if err != nil {
		return &client.ConnectionError{URL: url, Err: err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil || response.StatusCode != http.StatusOK {
		return &client.ConnectionError{URL: url, Err: fmt.Errorf("not ready: %s %s", response.Status, strings.TrimSpace(string(text)))}
	}
	return nil
}
