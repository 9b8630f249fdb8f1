package cli

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far long work is, on standard error and only when a person
// can see it there.
type progress struct {
	bar *progressbar.ProgressBar // nil when nobody sees it
}

// showProgress begins to show work of size steps, or bytes.
func (a *app) showProgress(what string, size int64, bytes bool) *progress {
	if !isTerminal(a.err) {
		return &progress{}
	}
	_, plain := a.lookup("NO_COLOR") // and no escape sequences either
	return &progress{bar: progressbar.NewOptions64(size, progressbar.OptionSetWriter(a.err), progressbar.OptionSetDescription(visible(what)),
		progressbar.OptionShowBytes(bytes), progressbar.OptionShowCount(), progressbar.OptionUseIECUnits(true), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetWidth(30), progressbar.OptionUseANSICodes(!plain), progressbar.OptionClearOnFinish())}
}

// Write implements io.Writer: it counts bytes.
func (p *progress) Write(b []byte) (int, error) {
	p.add(len(b))
	return len(b), nil
}

func (p *progress) add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n) // a bar that cannot be drawn stops nothing
	}
}

// set says how far the work is, when it went back.
func (p *progress) set(n int64) {
	if p.bar != nil {
		_ = p.bar.Set64(n)
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// seekable shows the progress of a file that is sent, from its beginning again
// when it has to be.
type seekable struct {
	io.ReadSeeker
	progress *progress
}

func (s seekable) Read(b []byte) (int, error) {
	n, err := s.ReadSeeker.Read(b)
	s.progress.add(n)
	return n, err
}

func (s seekable) Seek(offset int64, whence int) (int64, error) {
	at, err := s.ReadSeeker.Seek(offset, whence)
	if err == nil {
		s.progress.set(at)
	}
	return at, err
}
