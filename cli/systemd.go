package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// firstPassedFile is the descriptor of the first socket that systemd passes
// (sd_listen_fds(3)).
const firstPassedFile = 3

// passedListener returns the listener that whoever started this process opened for
// it (socket activation), or nil.
func passedListener(lookup func(string) (string, bool)) (net.Listener, error) {
	pid, _ := lookup("LISTEN_PID")
	count, _ := lookup("LISTEN_FDS")
	if pid != strconv.Itoa(os.Getpid()) || count == "" || count == "0" {
		return nil, nil // meant for another process, or for none
	}
	if count != "1" {
		return nil, &ConfigError{Problems: []string{"LISTEN_FDS: " + count + " sockets were passed, and there is use for one"}}
	}
	file := os.NewFile(firstPassedFile, "passed socket")
	listener, err := net.FileListener(file)
	if err := errors.Join(err, file.Close()); err != nil { // the listener has a copy
		return nil, fmt.Errorf("the passed socket: %w", err)
	}
	if _, ok := listener.Addr().(*net.TCPAddr); !ok {
		return nil, errors.Join(&ConfigError{Problems: []string{"the passed socket: must be one of TCP"}}, listener.Close())
	}
	return listener, nil
}

// supervisor is told how the process does (sd_notify(3)). The zero value tells
// nobody.
type supervisor struct {
	socket string
	every  time.Duration // between two signs of life; 0 for none
}

func newSupervisor(lookup func(string) (string, bool)) supervisor {
	s := supervisor{}
	s.socket, _ = lookup("NOTIFY_SOCKET")
	if pid, set := lookup("WATCHDOG_PID"); set && pid != strconv.Itoa(os.Getpid()) {
		return s
	}
	if text, set := lookup("WATCHDOG_USEC"); set {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
			s.every = time.Duration(n) * time.Microsecond / 2
		}
	}
	return s
}

// tell sends states, such as READY=1.
func (s supervisor) tell(states string) error {
	if s.socket == "" {
		return nil
	}
	// A name that begins with @ is an abstract one, which package net knows as such.
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the supervisor: %w", err)
	}
	_, err = c.Write([]byte(states))
	return errors.Join(err, c.Close())
}

// watch gives a sign of life as often as it is expected, as long as alive says
// that the process does its work, until ctx ends.
func (s supervisor) watch(ctx context.Context, alive func(context.Context) error) {
	if s.every <= 0 || s.socket == "" {
		return
	}
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		within, cancel := context.WithTimeout(ctx, s.every)
		if alive(within) == nil {
			_ = s.tell("WATCHDOG=1") // one that is missed ends the process, as it must
		}
		cancel()
	}
}
