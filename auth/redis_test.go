package auth

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"maestro/tenancy"
)

// What revocations are usually kept in is Redis, with SETEX and the life of the
// token. The tests of this file hold the two against each other: the same work,
// the same kill. They need redis-server, with the configuration that it has when
// nobody gives it one, which is also Debian's as far as durability goes.

// redis is a real server on loopback.
type redis struct {
	t    testing.TB
	port int
	dir  string
	args []string
	cmd  *exec.Cmd
	done chan struct{}
}

// startRedis starts redis-server on a free port, or skips the test where there is
// none; with MAESTRO_TEST_REDIS=1 it must be there.
func startRedis(t testing.TB, args ...string) *redis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("MAESTRO_TEST_REDIS") != "" {
			t.Fatal("MAESTRO_TEST_REDIS is set and there is no redis-server")
		}
		t.Skip("there is no redis-server to compare with")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &redis{t: t, port: listener.Addr().(*net.TCPAddr).Port, dir: t.TempDir(), args: args}
	must(t, listener.Close())
	r.start()
	t.Cleanup(r.kill)
	return r
}

func (r *redis) start() {
	r.t.Helper()
	args := append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(r.port), "--dir", r.dir, "--daemonize", "no"}, r.args...)
	r.cmd, r.done = exec.Command("redis-server", args...), make(chan struct{})
	must(r.t, r.cmd.Start())
	go func() {
		_ = r.cmd.Wait() // killed: its status is no news
		close(r.done)
	}()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if conn, err := net.Dial("tcp", r.address()); err == nil {
			c := &redisConn{r.t, conn, bufio.NewReader(conn)}
			answer := c.try("PING")
			_ = conn.Close()
			if answer == "+PONG" {
				return
			}
		}
		if time.Now().After(deadline) {
			r.t.Fatal("redis-server does not answer")
		}
		time.Sleep(5 * time.Millisecond) // another program's start cannot be waited for otherwise
	}
}

func (r *redis) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// kill ends the server with SIGKILL.
func (r *redis) kill() {
	_ = r.cmd.Process.Kill() // may be gone
	<-r.done
}

// redisConn is one connection, in the protocol's own words.
type redisConn struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (r *redis) dial() *redisConn {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.address())
	must(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() })
	return &redisConn{r.t, conn, bufio.NewReader(conn)}
}

func redisCommand(words ...string) []byte {
	text := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, word := range words {
		text = fmt.Appendf(text, "$%d\r\n%s\r\n", len(word), word)
	}
	return text
}

// try sends a command and returns the first line of the answer.
func (c *redisConn) try(words ...string) string {
	if _, err := c.conn.Write(redisCommand(words...)); err != nil {
		return ""
	}
	line, _ := c.in.ReadString('\n')
	return strings.TrimSuffix(line, "\r\n")
}

func (c *redisConn) want(answer string, words ...string) {
	c.t.Helper()
	if got := c.try(words...); got != answer {
		c.t.Fatalf("%v answers %q, want %q", words, got, answer)
	}
}

// fill sets count keys without waiting for each answer.
func (c *redisConn) fill(count int) {
	c.t.Helper()
	answers := make(chan error, 1)
	go func() {
		for range count {
			if line, err := c.in.ReadString('\n'); err != nil || line != "+OK\r\n" {
				answers <- errors.Join(err, errors.New("SETEX answers "+line))
				return
			}
		}
		answers <- nil
	}()
	out := bufio.NewWriterSize(c.conn, 1<<20)
	for range count {
		_, err := out.Write(redisCommand("SETEX", "revoked:"+tenancy.NewID().String(), "900", "1"))
		must(c.t, err)
	}
	must(c.t, out.Flush())
	must(c.t, <-answers)
}

// revokeUntilKilled is what the test binary does as a child process: it revokes
// session after session in the file at path and prints each once it is
// acknowledged.
func revokeUntilKilled(path string) error {
	clock := SystemClock()
	r, err := OpenRevocations(RevocationConfig{Path: path, Key: [32]byte{1}, Clock: clock, Life: MaxAccessLife,
		Distrust: func(reason string) error { return errors.New(reason) }})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for range 8 {
		go func() {
			for {
				id := tenancy.NewID()
				_, err := r.Revoke(background, newUser(), Revocation{RevokedSession, id, clock.Now().Add(15 * time.Minute).Unix()})
				if err == nil {
					_, err = os.Stdout.WriteString(id.String() + "\n") // one write, one line
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// TestRedisSideBySide acknowledges as many revocations in Redis and here, kills
// both with SIGKILL and counts what is left of them after a start.
func TestRedisSideBySide(t *testing.T) {
	const acknowledged = 500
	server := startRedis(t)
	conn := server.dial()
	var inRedis []string
	for range acknowledged {
		key := "revoked:" + tenancy.NewID().String()
		conn.want("+OK", "SETEX", key, "900", "1")
		inRedis = append(inRedis, key)
	}
	server.kill()
	server.start()
	conn = server.dial()
	kept := 0
	for _, key := range inRedis {
		if conn.try("EXISTS", key) == ":1" {
			kept++
		}
	}

	s := newShelf(t)
	must(t, s.Close())
	child := exec.Command(os.Args[0], "revoke-until-killed", s.path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	var here []tenancy.ID
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		id, err := tenancy.ParseID(lines.Text())
		must(t, err)
		here = append(here, id)
		if len(here) == acknowledged {
			must(t, child.Process.Kill())
		}
	}
	_, _ = io.Copy(io.Discard, out) // what it said after the last whole line
	_ = child.Wait()                // killed: its status is no news
	if len(here) < acknowledged {
		t.Fatalf("only %d revocations were acknowledged", len(here))
	}
	s.open()
	lost := 0
	for _, id := range here {
		if s.verdict(id, time.Now().Add(15*time.Minute)) != VerdictRevoked {
			lost++
		}
	}
	t.Logf("acknowledged and lost by SIGKILL: Redis %d of %d, Maestro %d of %d", acknowledged-kept, acknowledged, lost, len(here))
	if lost > 0 || len(s.distrusted) > 0 {
		t.Errorf("%d acknowledged revocations are lost; distrusted: %v", lost, s.distrusted)
	}
	if kept == acknowledged {
		t.Error("Redis lost none: what the documentation says of it does not hold")
	}
}

// TestALookupIsFasterThanRedis measures, so it runs where it is asked for: at a
// million live revocations a token that is not revoked costs 100 ns at most.
func TestALookupIsFasterThanRedis(t *testing.T) {
	if os.Getenv("MAESTRO_TEST_REDIS") == "" {
		t.Skip("measures time: set MAESTRO_TEST_REDIS=1")
	}
	const revocations = 1_000_000
	conn := startRedis(t).dial()
	conn.fill(revocations)
	var took []time.Duration
	for range 5000 {
		started := time.Now()
		conn.want(":0", "EXISTS", "revoked:"+tenancy.NewID().String())
		took = append(took, time.Since(started))
	}
	slices.Sort(took)

	r, _ := filledIndex(revocations)
	here := quickLookup(t, r)
	allocations := testing.AllocsPerRun(1000, func() { r.Check(tenancy.ID{}, tenancy.ID{1}, 1) })
	t.Logf("at %d revocations: Redis %s (median, one connection on loopback), Maestro %s and %.0f allocations",
		revocations, took[len(took)/2], here, allocations)
	if here > 100*time.Nanosecond || allocations > 0 {
		t.Errorf("a lookup takes %s and %.0f allocations, want 100ns and 0 at most", here, allocations)
	}
}

// quickLookup measures lookups of sessions that are not revoked in runs short
// enough for one turn of the processor, and returns the time of one in the tenth
// part of the runs that was least disturbed by other programs.
func quickLookup(t *testing.T, r *Revocations) time.Duration {
	t.Helper()
	const run = 500
	misses := someIDs(1 << 16)
	token := tenancy.NewID()
	var runs []time.Duration
	for n := range 4000 {
		started := time.Now()
		for i := range run {
			if r.Check(token, misses[(n*run+i)%len(misses)], 1) != VerdictLive {
				t.Fatal("revoked")
			}
		}
		runs = append(runs, time.Since(started))
	}
	slices.Sort(runs)
	return runs[len(runs)/10] / run
}

// BenchmarkRedisSideBySide prints what a lookup and a durable revocation cost in
// both, at a million live ones. Redis is durable with appendfsync always only.
func BenchmarkRedisSideBySide(b *testing.B) {
	const revocations = 1_000_000
	b.Run("lookup Maestro", func(b *testing.B) {
		r, _ := filledIndex(revocations)
		b.ResetTimer()
		lookUpLive(b, r)
	})
	b.Run("lookup Redis", func(b *testing.B) {
		conn := startRedis(b).dial()
		conn.fill(revocations)
		for b.Loop() {
			conn.want(":0", "EXISTS", "revoked:01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69")
		}
	})
	b.Run("revoke Maestro, 64 at a time", revokeParallel)
	b.Run("revoke Redis, appendfsync always, 64 at a time", func(b *testing.B) {
		server := startRedis(b, "--appendonly", "yes", "--appendfsync", "always")
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			conn := server.dial()
			for pb.Next() {
				if got := conn.try("SETEX", "revoked:"+tenancy.NewID().String(), "900", "1"); got != "+OK" {
					b.Errorf("SETEX answers %q", got)
					return
				}
			}
		})
	})
}
