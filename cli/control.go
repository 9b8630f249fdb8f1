package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"maestro/problem"
	"maestro/server"
)

// controlPath is where a server's control socket is. Whoever may enter the data
// directory may use it.
func controlPath(dir string) string { return filepath.Join(dir, "run", "control.sock") }

// controlPatience is how long the socket's requests may take to notice that the
// server stops.
const controlPatience = 10 * time.Second

// serveControl answers on the socket in the data directory. The server does
// without where it cannot be made, as where its path is too long for the system.
func (a *Appliance) serveControl(background context.Context) {
	listener, err := listenControl(a.Settings.Data)
	if err != nil {
		a.Log.Warn("there is no control socket: maestro backup cannot reach this server", "error", err)
		return
	}
	a.control = &http.Server{Handler: a.handler.Control(), ReadHeaderTimeout: readHeaderTimeout, BaseContext: func(net.Listener) context.Context { return background }}
	a.tasks.Go(func() {
		if err := a.control.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.Log.Error("the control socket failed", "error", err)
		}
	})
}

func listenControl(dir string) (net.Listener, error) {
	path := controlPath(dir)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// The data directory is locked, so a socket that is there is a dead server's.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// closeControl ends the socket, whose requests end with the background work.
func (a *Appliance) closeControl() {
	if a.control == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), controlPatience)
	defer cancel()
	if err := a.control.Shutdown(ctx); err != nil {
		a.Log.Warn("a request on the control socket was cut off", "error", errors.Join(err, a.control.Close()))
	}
}

// controlURL is what the server is called on its socket.
const controlURL = "http://maestro"

// controlTransport leads to the server that has a data directory, whatever the URL.
func controlTransport(dir string) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", controlPath(dir))
	}}
}

// control asks the server that has a data directory. The caller closes the
// answer, which is a good one. Otherwise the error is the one that the server had; so
// is that of reading an answer which the server could not finish.
func control(ctx context.Context, dir, path string) (io.ReadCloser, error) {
	client := &http.Client{Transport: controlTransport(dir)}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, controlURL+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("TE", "trailers")
	response, err := client.Do(request)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, problem.Wrap(err, problem.Unavailable, "The server that uses %s does not answer on %s.", dir, controlPath(dir))
	}
	if response.StatusCode == http.StatusOK {
		return &controlAnswer{ctx: ctx, dir: dir, response: response}, nil
	}
	defer response.Body.Close()
	return nil, server.ReadRefusal(response)
}

// controlAnswer is a good answer of a server, whose end tells whether it is whole.
type controlAnswer struct {
	ctx      context.Context
	dir      string
	response *http.Response
}

func (a *controlAnswer) Close() error { return a.response.Body.Close() }

func (a *controlAnswer) Read(b []byte) (int, error) {
	n, err := a.response.Body.Read(b)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		if refused := server.ReadLateRefusal(a.response); refused != nil {
			err = refused
		}
	case a.ctx.Err() != nil:
		err = context.Cause(a.ctx)
	default:
		err = problem.Wrap(err, problem.Unavailable, "The server that uses %s broke its answer off. Its log may say why.", a.dir)
	}
	return n, err
}
