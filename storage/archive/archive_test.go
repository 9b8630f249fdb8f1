package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"maestro/tenancy"
)

var made = Info{Version: "1.2.3", Schema: 4, CreatedAt: tenancy.TimeOf(time.Date(2026, 11, 23, 12, 0, 0, 5e6, time.UTC))}

type file struct{ name, content string }

var files = []file{
	{"maestro.db", strings.Repeat("page ", 300)},
	{"empty", ""},
	{"blobs/" + strings.Repeat("long/", 30) + "name", "behind a PAX header"}, // no ustar header holds it
	{"whole", strings.Repeat("x", 2*blockSize)},                              // needs no padding
}

func write(t testing.TB, out io.Writer, files []file) {
	t.Helper()
	w, err := NewWriter(out, t.TempDir(), made)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, err := w.Add(f.name, int64(len(f.content)), strings.NewReader(f.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, in io.Reader, temp string) (info Info, found []file, err error) {
	t.Helper()
	info, err = Read(in, temp, func(_ Info, name string, _ int64, content io.Reader) error {
		text, err := io.ReadAll(content)
		found = append(found, file{name, string(text)})
		return err
	})
	return info, found, err
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	var out bytes.Buffer
	write(t, &out, files)
	info, found, err := read(t, &out, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := made
	want.Format = Format
	if diff := cmp.Diff(want, info); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(files, found, cmp.AllowUnexported(file{})); diff != "" {
		t.Error(diff)
	}
}

// TestEveryByteIsChecked flips one bit of each byte of an archive in turn. Where it
// is a file's own, the refusal names the file.
func TestEveryByteIsChecked(t *testing.T) {
	var out bytes.Buffer
	write(t, &out, files)
	whole := out.Bytes()
	temp := t.TempDir()
	named := map[string]int{}
	for i := range whole {
		whole[i] ^= 1 << (i % 8)
		_, _, err := read(t, bytes.NewReader(whole), temp)
		whole[i] ^= 1 << (i % 8)
		var damage *DamageError
		switch {
		case errors.As(err, &damage):
			named[damage.Name]++
		case errors.Is(err, ErrNoArchive) && i < blockSize: // the first header
		default:
			t.Fatalf("bit %d of byte %d of %d: %v", i%8, i, len(whole), err)
		}
	}
	for _, f := range files {
		if got, least := named[f.name], len(f.content); got < least {
			t.Errorf("%s was named %d times, want %d at least", f.name, got, least)
		}
	}
	for _, name := range []string{infoName, sumsName, sealName, "the end"} {
		if named[name] == 0 {
			t.Errorf("%s was never named", name)
		}
	}
}

func TestAnArchiveThatIsNotWholeIsRefused(t *testing.T) {
	var out bytes.Buffer
	write(t, &out, files)
	whole := out.Bytes()
	temp := t.TempDir()
	for length := 0; length < len(whole); length += 97 {
		if _, _, err := read(t, bytes.NewReader(whole[:length]), temp); err == nil {
			t.Errorf("the first %d bytes of %d are taken for an archive", length, len(whole))
		}
	}
	var damage *DamageError
	if _, _, err := read(t, io.MultiReader(bytes.NewReader(whole), strings.NewReader("x")), temp); !errors.As(err, &damage) {
		t.Errorf("with a byte behind it: %v", err)
	}
}

// TestAForgedFileIsRefused replaces a file and corrects its header but not the
// list, and the list but not its seal.
func TestAForgedFileIsRefused(t *testing.T) {
	var honest, forged bytes.Buffer
	write(t, &honest, files)
	other := slices.Clone(files)
	other[0].content = strings.ReplaceAll(other[0].content, "page", "gape")
	write(t, &forged, other)
	at := bytes.Index(honest.Bytes(), []byte("page page"))
	mixed := slices.Concat(honest.Bytes()[:at], []byte(other[0].content), honest.Bytes()[at+len(other[0].content):])
	var damage *DamageError
	if _, _, err := read(t, bytes.NewReader(mixed), t.TempDir()); !errors.As(err, &damage) || damage.Name != "maestro.db" {
		t.Errorf("a replaced file: %v", err)
	}
	list := bytes.LastIndex(forged.Bytes(), []byte(infoName))
	mixed = slices.Concat(mixed[:list], forged.Bytes()[list:list+200], mixed[list+200:])
	if _, _, err := read(t, bytes.NewReader(mixed), t.TempDir()); !errors.As(err, &damage) {
		t.Errorf("a replaced file and line: %v", err)
	}
}

// TestTarAndSha256sumReadIt has the usual programs do without this one.
func TestTarAndSha256sumReadIt(t *testing.T) {
	for _, program := range []string{"tar", "sha256sum"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no", program)
		}
	}
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "a.tar"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, out, files)
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"tar", "xf", "a.tar"}, {"sha256sum", "--check", "--strict", sealName}, {"sha256sum", "--check", "--strict", sumsName}} {
		command := exec.Command(args[0], args[1:]...)
		command.Dir = dir
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, output)
		}
	}
}

func TestAContentOfAnotherSizeIsRefused(t *testing.T) {
	for _, size := range []int64{2, 4} {
		w, err := NewWriter(io.Discard, t.TempDir(), made)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Add("three", size, strings.NewReader("abc")); err == nil {
			t.Errorf("three bytes are taken for %d", size)
		}
		if err := w.Close(); err == nil {
			t.Error("the archive is taken for complete")
		}
	}
}

func TestOnlyTheKeysReadAnEncryptedArchive(t *testing.T) {
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	quantum, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []struct {
		public string
		secret age.Identity
	}{{classic.Recipient().String(), classic}, {quantum.Recipient().String(), quantum}} {
		recipients, err := Recipients([]string{key.public})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		in, witness, err := Encrypt(&out, recipients)
		if err != nil {
			t.Fatal(err)
		}
		write(t, in, files)
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(out.Bytes(), []byte("page page")) {
			t.Error("the content is readable")
		}
		for _, identity := range []age.Identity{key.secret, witness} {
			plain, encrypted, err := Decrypt(bytes.NewReader(out.Bytes()), []age.Identity{identity})
			if err != nil || !encrypted {
				t.Fatal(encrypted, err)
			}
			if _, found, err := read(t, plain, t.TempDir()); err != nil || !cmp.Equal(files, found, cmp.AllowUnexported(file{})) {
				t.Errorf("read back: %v", err)
			}
		}
		for _, identities := range [][]age.Identity{nil, {stranger}} {
			if _, _, err := Decrypt(bytes.NewReader(out.Bytes()), identities); err == nil {
				t.Error("opened with another key, or none")
			}
		}
		// Somewhere behind the header: age's own check names no file, the reader does.
		changed := bytes.Clone(out.Bytes())
		changed[len(changed)-100] ^= 1
		plain, _, err := Decrypt(bytes.NewReader(changed), []age.Identity{key.secret})
		if err != nil {
			t.Fatal(err)
		}
		var damage *DamageError
		if _, _, err := read(t, plain, t.TempDir()); !errors.As(err, &damage) {
			t.Errorf("a changed bit: %v", err)
		}
	}
}

func TestAnEndlessHeaderIsRefused(t *testing.T) {
	var out bytes.Buffer
	write(t, &out, nil)
	random := make([]byte, 1<<20)
	_, _ = rand.Read(random) // never fails
	for _, in := range []io.Reader{bytes.NewReader(random), strings.NewReader(fmt.Sprintf("%512d", 1)), bytes.NewReader(make([]byte, 1<<20))} {
		if _, _, err := read(t, in, t.TempDir()); !errors.Is(err, ErrNoArchive) {
			t.Errorf("got %v", err)
		}
	}
}

// countedReader counts what is read of it.
type countedReader struct {
	in io.Reader
	n  int64
}

func (r *countedReader) Read(b []byte) (int, error) {
	n, err := r.in.Read(b)
	r.n += int64(n)
	return n, err
}

// endless gives one byte for ever.
type endless byte

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e)
	}
	return len(b), nil
}

// TestAListThatIsLongerThanWhatItListsIsNotRead has a list of digests that says to
// have 64 GiB, as a sparse file that takes no room holds: zeros, a line that does not
// end, empty lines, or the right list and then more. No more of it is read than the
// list that it must be, and one buffer.
func TestAListThatIsLongerThanWhatItListsIsNotRead(t *testing.T) {
	var out bytes.Buffer
	write(t, &out, files)
	const size = 64 << 30
	begin, list := section(t, out.Bytes(), sumsName)
	head, err := header(sumsName, size, made.CreatedAt.Std())
	if err != nil {
		t.Fatal(err)
	}
	for what, start := range map[string][]byte{"zeros": nil, "the list and more": list, "half of it": list[:len(list)/2], "empty lines": []byte("\n\n\n")} {
		fill := endless(0)
		if what == "empty lines" {
			fill = '\n'
		}
		in := &countedReader{in: io.MultiReader(bytes.NewReader(out.Bytes()[:begin]), bytes.NewReader(head), bytes.NewReader(start), io.LimitReader(fill, 8<<20))}
		_, _, err := read(t, in, t.TempDir())
		var damage *DamageError
		if !errors.As(err, &damage) || damage.Name != sumsName && damage.Name != files[0].name && damage.Name != infoName {
			t.Errorf("%s: got %v", what, err)
		}
		if most := int64(begin + len(head) + len(list) + 64<<10); in.n > most {
			t.Errorf("%s: %d bytes were read, want %d at most", what, in.n, most)
		}
	}
}

// TestAListOfLongLinesIsRefused has a list of the right size, and one line.
func TestAListOfLongLinesIsRefused(t *testing.T) {
	var out bytes.Buffer
	many := make([]file, 400)
	for i := range many {
		many[i] = file{fmt.Sprintf("files/%04d", i), "x"}
	}
	write(t, &out, many)
	begin, list := section(t, out.Bytes(), sumsName)
	forged := bytes.Clone(out.Bytes())
	at := bytes.Index(forged[begin:], list) + begin
	copy(forged[at:], bytes.Repeat([]byte("x"), len(list)))
	long := bufio.NewReaderSize(bytes.NewReader(forged[at:]), maxSumLine)
	var damage *DamageError
	if err := compareLines(bufio.NewReaderSize(bytes.NewReader(list), maxSumLine), long); !errors.As(err, &damage) || damage.Name != sumsName {
		t.Errorf("got %v", err)
	}
	if _, _, err := read(t, bytes.NewReader(forged), t.TempDir()); !errors.As(err, &damage) || damage.Name != sumsName {
		t.Errorf("got %v", err)
	}
}

// section returns where the header of a file stands in an archive, and its content.
func section(t testing.TB, whole []byte, name string) (begin int, content []byte) {
	t.Helper()
	begin = bytes.LastIndex(whole, append([]byte(name), 0))
	from := tar.NewReader(bytes.NewReader(whole[begin:]))
	if _, err := from.Next(); err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return begin, content
}
