package server

import (
	"errors"
	"fmt"
	"testing"

	"maestro/storage"
	"maestro/tracking"
)

// A page that is rendered as it is read is the page that is rendered afterwards, by
// whichever way it is asked for; and of a page that could not be read nothing is left.
func TestAPageThatIsRenderedAsItIsRead(t *testing.T) {
	for _, n := range []int{0, 1, 50, 5000} {
		items := make([]tracking.Project, n)
		for i := range items {
			items[i].Name = fmt.Sprintf(`project %d <&"`, i)
		}
		for _, next := range []string{"", "cursor"} {
			want := string(encodeJSON(newList(storage.List[tracking.Project]{Items: items, Next: next})))
			read := func() *list[tracking.Project] {
				page, err := renderList(func(each func(*tracking.Project)) (string, error) {
					var lent tracking.Project
					for i := range items {
						lent = items[i]
						each(&lent)
					}
					lent = tracking.Project{}
					return next, nil
				})
				if err != nil {
					t.Fatal(err)
				}
				return page
			}
			if got := string(encodeJSON(read())); got != want {
				t.Errorf("%d projects: %.200s, want %.200s", n, got, want)
			}
			if got := string(read().AppendJSON([]byte("  "))); got != "  "+want {
				t.Errorf("%d projects within another text: %.200s, want %.200s", n, got, want)
			}
		}
	}
	failure := errors.New("no")
	page, err := renderList(func(each func(*tracking.Project)) (string, error) {
		each(new(tracking.Project))
		return "", failure
	})
	if page != nil || !errors.Is(err, failure) {
		t.Errorf("a page that could not be read: %v, %v", page, err)
	}
}

// What was rendered is in the answer: there is nothing to answer again, and no page
// without items is sent in its place.
func TestAPageIsAnsweredOnce(t *testing.T) {
	page, err := renderList(func(each func(*tracking.Project)) (string, error) {
		each(new(tracking.Project))
		return "", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	encodeJSON(page)
	defer func() {
		if recover() == nil {
			t.Error("answered twice")
		}
	}()
	t.Errorf("answered twice, with %s", encodeJSON(page))
}

// One long answer must not hold its memory for all that follow.
func TestLongBuffersAreNotKept(t *testing.T) {
	for range 20 { // a pool may drop what it is given
		long := make([]byte, 0, maxKept+1)
		keepBuffer(&long)
		if got := buffers.Get().(*[]byte); cap(*got) > maxKept {
			t.Fatalf("%d bytes are kept", cap(*got))
		}
	}
}
