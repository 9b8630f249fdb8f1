package storage

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"maestro/tenancy"
)

func newTestLessons(room int) *learned[int] {
	return newLearned(make(chan struct{}, 1), new(sync.WaitGroup), room, func(weight int) int { return weight })
}

func TestALessonIsLearnedOnceForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLessons(100)
		tenant := tenancy.NewID()
		var times atomic.Int64
		begun := make(chan struct{})
		learn := func(context.Context) (int, int64, error) {
			times.Add(1)
			<-begun
			return 7, 3, nil
		}
		first, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { _, err := l.of(first, tenant, 1, learn); gone <- err }()
		synctest.Wait()
		for range 5 {
			go func() {
				if v, err := l.of(t.Context(), tenant, 3, learn); v != 7 || err != nil {
					t.Errorf("got %d, %v", v, err)
				}
			}()
		}
		synctest.Wait()
		// Whoever began it may leave: the others have it.
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		close(begun)
		synctest.Wait()
		if v, err := l.of(t.Context(), tenant, 2, learn); v != 7 || err != nil || times.Load() != 1 {
			t.Errorf("got %d, %v after learning %d times", v, err, times.Load())
		}
		if _, err := l.of(t.Context(), tenant, 3, learn); err != nil || times.Load() != 1 {
			t.Errorf("learned %d times for a version that is there", times.Load())
		}
	})
}

func TestALessonOfBeforeIsLearnedAnew(t *testing.T) {
	l := newTestLessons(100)
	tenant := tenancy.NewID()
	version := int64(0)
	learn := func(context.Context) (int, int64, error) { version++; return int(version), version, nil }
	for want := 1; want <= 3; want++ {
		if v, err := l.of(t.Context(), tenant, int64(want), learn); v != want || err != nil {
			t.Errorf("version %d: got %d, %v", want, v, err)
		}
	}
	// A lesson that came out older than asked is not taken for the newer one.
	version = 3
	if v, err := l.of(t.Context(), tenant, 6, learn); v != 6 || err != nil {
		t.Errorf("got %d, %v, want the third try", v, err)
	}
}

func TestAFailedLessonIsTriedAgain(t *testing.T) {
	l := newTestLessons(100)
	tenant, failure := tenancy.NewID(), errors.New("no")
	if _, err := l.of(t.Context(), tenant, 1, func(context.Context) (int, int64, error) { return 0, 0, failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if v, err := l.of(t.Context(), tenant, 1, func(context.Context) (int, int64, error) { return 5, 1, nil }); v != 5 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
}

func TestLessonsStayWithinTheirRoom(t *testing.T) {
	l := newTestLessons(100)
	learned := map[tenancy.ID]int{}
	ask := func(tenant tenancy.ID, weight int) {
		t.Helper()
		_, err := l.of(t.Context(), tenant, 1, func(context.Context) (int, int64, error) { learned[tenant]++; return weight, 1, nil })
		if err != nil {
			t.Fatal(err)
		}
		if l.held > l.room && l.recent.Len() > 1 || l.recent.Len() != len(l.values) {
			t.Errorf("%d lessons weigh %d", l.recent.Len(), l.held)
		}
	}
	a, b, c, huge := tenancy.NewID(), tenancy.NewID(), tenancy.NewID(), tenancy.NewID()
	ask(a, 40)
	ask(b, 40)
	ask(a, 40) // b is now the least recently used
	ask(c, 40)
	ask(a, 40)
	if learned[a] != 1 || learned[b] != 1 {
		t.Errorf("learned %v", learned)
	}
	ask(b, 40)
	if learned[b] != 2 {
		t.Errorf("b was kept without room")
	}
	ask(huge, 500) // answers, and everything else goes
	if l.recent.Len() != 1 || l.held != 500 {
		t.Errorf("%d lessons weigh %d", l.recent.Len(), l.held)
	}
	l.forget(huge)
	if l.recent.Len() != 0 || l.held != 0 {
		t.Errorf("after forgetting: %d lessons weigh %d", l.recent.Len(), l.held)
	}
}
