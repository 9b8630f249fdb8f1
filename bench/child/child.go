// Package child runs the servers under test as child processes: it starts them,
// waits until they are ready, reads what they cost from /proc, and ends each by its
// own process id. It is for Linux.
package child

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Bounds of a child's life.
const (
	readyWithin = time.Minute
	endsWithin  = 20 * time.Second
	readyPoll   = time.Millisecond
)

// Process is a running server.
type Process struct {
	Name string
	Addr string // host:port that it listens on

	command *exec.Cmd
	log     string // the file that its output goes to
	ended   chan struct{}
	err     error // why it ended; read after ended is closed
}

// Command is how to start a server.
type Command struct {
	Name    string
	Path    string
	Args    []string
	Env     []string // added to the environment
	Addr    string   // host:port that it will listen on
	Ready   string   // the path that answers 200 once it serves
	LogFile string
}

// FreeAddr returns a loopback address that nobody listens on now.
func FreeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// Start starts the server and returns when it is ready, and how long that took from
// the start of its execution. The kernel ends the child when the thread
// that started it ends, so call it from a goroutine locked to a thread that lives
// as long as the program: then no child outlives it, however it ends.
func Start(ctx context.Context, c Command) (*Process, time.Duration, error) {
	log, err := os.Create(c.LogFile)
	if err != nil {
		return nil, 0, err
	}
	defer log.Close()
	command := exec.Command(c.Path, c.Args...)
	command.Env = append(os.Environ(), c.Env...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := &Process{Name: c.Name, Addr: c.Addr, command: command, log: c.LogFile, ended: make(chan struct{})}
	began := time.Now()
	if err := command.Start(); err != nil {
		return nil, 0, fmt.Errorf("start %s: %w", c.Name, err)
	}
	go func() {
		p.err = command.Wait()
		close(p.ended)
	}()
	if err := p.awaitReady(ctx, "http://"+c.Addr+c.Ready); err != nil {
		return nil, 0, errors.Join(err, p.Stop())
	}
	return p, time.Since(began), nil
}

func (p *Process) awaitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if answer, err := client.Do(request); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-poll.C:
		case <-p.ended:
			return fmt.Errorf("%s ended before it was ready: %w\n%s", p.Name, p.err, p.lastOutput())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.Name, ctx.Err(), p.lastOutput())
		}
	}
}

// Stop asks the server to end and waits for it; a server that does not is killed,
// and that is an error, as is one that had ended before. A nil Process is stopped.
func (p *Process) Stop() error {
	if p == nil {
		return nil
	}
	select {
	case <-p.ended:
		return fmt.Errorf("%s had ended by itself: %v\n%s", p.Name, p.err, p.lastOutput())
	default:
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(endsWithin):
		_ = p.command.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s did not end within %v and was killed", p.Name, endsWithin)
	}
}

// lastOutput returns the end of what the server printed.
func (p *Process) lastOutput() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	const enough = 2000
	return strings.TrimSpace(string(text[max(0, len(text)-enough):]))
}
