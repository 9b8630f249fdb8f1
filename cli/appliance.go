package cli

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
	"maestro/server"
	"maestro/storage"
)

// Bounds of connections. There is none on a whole request, because content may be
// long on its way; the routes that read JSON bound the reading of their bodies.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// Appliance is a running server with everything that belongs to it: the data
// directory, its lock, identity, background work and the listener.
type Appliance struct {
	Settings ServeSettings
	Log      *slog.Logger      // nothing is logged unless set
	Hash     auth.HasherConfig // of passwords; its Cost is that of the settings

	// CheckRevocations looks for damage in the file of revocations. A server gives
	// a check in a process of its own (auth.CheckInChild), which a damaged file may
	// end; without one the check is in this process.
	CheckRevocations func(path string) error

	// Listener is where to listen, if it was opened before: Settings.Listen otherwise.
	Listener net.Listener

	// SetupToken makes the first operator. It is set by Run, while there is none.
	SetupToken string

	lock     *storage.DirLock
	store    *storage.Store
	identity *auth.Service
	backups  *storage.Backups
	handler  *server.Server
	http     *http.Server
	control  *http.Server // on the socket in the data directory; nil where there is none
	listener net.Listener

	encryption *encryption // nil without TLS
	tasks      sync.WaitGroup
	stop       context.CancelFunc // of the background work
	failed     chan error
}

// Run starts the appliance and returns once it serves. It fails with a
// *storage.LockedError when another process has the data directory, with a
// *migrations.NewerSchemaError when a newer version wrote it, and with a
// *ConfigError. Close must be called in any case.
func (a *Appliance) Run(ctx context.Context) error {
	if err := a.Settings.check(); err != nil {
		return err
	}
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	if err := a.open(ctx); err != nil {
		return err
	}
	if err := a.listen(ctx); err != nil {
		return err
	}
	var err error
	if a.encryption, err = openTLS(a.Settings.TLS, a.Settings.Data, a.listener.Addr(), a.Log); err != nil {
		return err
	}
	a.handler = server.New(server.Options{Store: a.store, Auth: a.identity, Backups: a.backups, Log: a.Log, Version: Version(), Rates: a.Settings.Rates,
		MetricsToken: a.Settings.MetricsToken, BehindTLS: a.Settings.BehindTLS, TrustedProxies: a.Settings.TrustedProxies, TLS: a.encryption != nil, Encryption: a.encryption.state})
	a.http = &http.Server{Handler: a.handler, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn)}
	background, stop := context.WithCancel(context.Background())
	a.stop, a.failed = stop, make(chan error, 1)
	a.tasks.Go(func() { a.store.RunMaintenance(background) })
	a.tasks.Go(func() { a.identity.Run(background) })
	a.tasks.Go(func() { a.backups.Run(background) })
	a.serveControl(background)
	serve := func() error { return a.http.Serve(a.listener) }
	if a.encryption != nil {
		a.http.TLSConfig = a.encryption.config
		serve = func() error { return a.http.ServeTLS(a.listener, "", "") }
	}
	a.tasks.Go(func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- err
		}
	})
	if a.encryption == nil {
		return nil
	}
	if err := a.encryption.listenPlain(ctx, a.Settings.TLS.ListenHTTP, a.port(), a.Log); err != nil {
		return err
	}
	a.tasks.Go(func() { a.encryption.run(background, a.Log) }) // an ACME directory comes back on both addresses
	return nil
}

// listen takes the passed listener, or makes one.
func (a *Appliance) listen(ctx context.Context) (err error) {
	if a.Listener == nil {
		a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", a.Settings.Listen)
		return err
	}
	a.listener = a.Listener
	passed := a.Settings
	passed.Listen = a.listener.Addr().String()
	return passed.check() // it may be reached from where the settings did not allow
}

// Alive reports whether the appliance does its work: the database answers. That
// its disk may be full is no reason to start it anew.
func (a *Appliance) Alive(ctx context.Context) error { return a.store.Readable(ctx) }

// port returns the port that the appliance listens on.
func (a *Appliance) port() int { return a.listener.Addr().(*net.TCPAddr).Port }

// Reload takes over what may change while the server runs: of the settings the
// token for the metrics, and what the files of the TLS certificate hold. The
// installation's secret cannot: what is sealed was sealed with the old one.
func (a *Appliance) Reload(settings ServeSettings) error {
	a.handler.SetMetricsToken(settings.MetricsToken)
	if subtle.ConstantTimeCompare(settings.RootSecret, a.Settings.RootSecret) != 1 {
		a.Log.Error("root-secret is another one now; the old one stays, and the next start will be refused until it is back")
	}
	return a.encryption.reload()
}

// open opens the data directory and what is in it.
func (a *Appliance) open(ctx context.Context) (err error) {
	if err := os.MkdirAll(a.Settings.Data, 0o700); err != nil {
		return &ConfigError{Problems: []string{"data: " + err.Error()}}
	}
	if a.lock, err = storage.LockDir(a.Settings.Data); err != nil {
		return err
	}
	if a.store, err = storage.Open(ctx, storage.Options{Dir: a.Settings.Data, Log: a.Log, AuditRetention: a.Settings.AuditRetention}); err != nil {
		return err
	}
	config := a.identityConfig()
	config.KeyRotated = func(ctx context.Context, kid string) error { return a.store.Record(ctx, audit.KeyRotate, kid, nil) }
	if a.identity, err = auth.Open(ctx, config, a.store); err != nil {
		return err
	}
	a.backups, err = storage.OpenBackups(storage.BackupsConfig{Store: a.store, Revocations: a.identity.CopyRevocations, Version: Version(),
		Recipients: a.Settings.BackupRecipients, Every: a.Settings.BackupEvery, Keep: a.Settings.BackupKeep})
	if err != nil {
		return err
	}
	if err := a.firstOperator(ctx); err != nil {
		return err
	}
	a.SetupToken, err = a.identity.BeginSetup(ctx)
	return err
}

func (a *Appliance) identityConfig() auth.Config {
	hash := a.Hash
	hash.Cost = a.Settings.HashCost
	return auth.Config{DataDir: a.Settings.Data, Log: a.Log, Hash: hash, KeyLife: a.Settings.KeyLife, RootSecret: a.Settings.RootSecret,
		Password: auth.PasswordPolicy{MinLength: a.Settings.PasswordLength}, CheckRevocations: a.CheckRevocations}
}

// firstOperator makes the operator that the settings name, unless there is one.
// That is looked at before the password is hashed: later starts have the same
// environment, and a hash takes as long as the rest of a start.
func (a *Appliance) firstOperator(ctx context.Context) error {
	if a.Settings.AdminEmail == "" {
		return nil
	}
	installation, err := a.store.Installation(ctx)
	if err != nil || installation.HasOperator {
		return err
	}
	_, err = a.identity.CreateOperator(ctx, auth.FirstOperator{Email: a.Settings.AdminEmail, Name: "Operator", Password: a.Settings.AdminPassword}, false)
	var p *problem.Error
	switch {
	case problem.CodeOf(err) == problem.Conflict:
		return nil // there is an operator after all
	case errors.As(err, &p) && p.Code == problem.Validation:
		failure := &ConfigError{}
		for _, v := range p.Violations {
			failure.Problems = append(failure.Problems, fmt.Sprintf("the first operator's %s %s", v.Location, v.Message))
		}
		return failure
	}
	return err
}

// URL returns where the appliance is reached.
func (a *Appliance) URL() string {
	address := a.listener.Addr().(*net.TCPAddr)
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	if a.encryption != nil {
		return "https://" + net.JoinHostPort(a.encryption.name(host), fmt.Sprint(address.Port))
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(address.Port))
}

// Wait returns when ctx ends, or with the error that ended serving.
func (a *Appliance) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.failed:
		return err
	}
}

// Close says that the server is not ready, lets requests under way finish for
// Settings.DrainTimeout, ends the background work and closes the data directory.
func (a *Appliance) Close() error {
	var errs []error
	if a.http != nil {
		a.handler.Drain()
		ctx, cancel := context.WithTimeout(context.Background(), a.Settings.DrainTimeout)
		if err := a.http.Shutdown(ctx); err != nil {
			a.Log.Warn("requests under way were cut off", "after", a.Settings.DrainTimeout)
			errs = append(errs, a.http.Close())
		}
		cancel()
		a.stop()
		a.closeControl()
		if a.encryption != nil {
			errs = append(errs, a.encryption.close())
		}
		a.tasks.Wait()
	} else if a.listener != nil {
		errs = append(errs, a.listener.Close())
	}
	if a.identity != nil {
		errs = append(errs, a.identity.Close(context.Background()))
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	if a.lock != nil {
		errs = append(errs, a.lock.Unlock())
	}
	return errors.Join(errs...)
}

// Describe tells people what runs and where.
func (a *Appliance) Describe(w io.Writer) {
	fmt.Fprintf(w, "Maestro %s is ready.\n", Version())
	fmt.Fprintf(w, "  URL              %s\n", a.URL())
	fmt.Fprintf(w, "  Data directory   %s\n", a.Settings.Data)
	fmt.Fprintf(w, "  Schema version   %d\n", a.store.Schema())
	if a.SetupToken != "" {
		fmt.Fprintf(w, "  First operator   %s/setup#%s\n", a.URL(), a.SetupToken)
		fmt.Fprintf(w, "                   The link works once, within %d minutes.\n", int(auth.SetupLife.Minutes()))
	}
}
