package storage

import (
	"container/list"
	"context"
	"sync"
	"time"

	"maestro/tenancy"
)

// learned keeps what was learned of tenants: one value each, until what it was
// learned from changes. Whoever asks while a value is being made waits for it, so
// that it is made once; it is made apart from the request that began it, so that
// the others do not lose it when that one is withdrawn. The least recently used
// go first when there is no room.
type learned[T any] struct {
	slots  chan struct{} // shared: how many values are made at once
	tasks  *sync.WaitGroup
	room   int         // sum of the weights that may be kept
	weight func(T) int // of a value; at least 1

	mu     sync.Mutex
	values map[tenancy.ID]*list.Element // of *lesson[T]
	recent *list.List                   // the most recently used first
	held   int
	making map[tenancy.ID]*making[T]
}

// lesson is a value and the change counter of what it was learned from.
type lesson[T any] struct {
	tenant  tenancy.ID
	version int64
	value   T
}

// making is a value on its way.
type making[T any] struct {
	done chan struct{}
	made *lesson[T]
	err  error
}

// longestLesson bounds how long a value may take to make.
const longestLesson = 2 * time.Minute

func newLearned[T any](slots chan struct{}, tasks *sync.WaitGroup, room int, weight func(T) int) *learned[T] {
	return &learned[T]{slots: slots, tasks: tasks, room: room, weight: weight,
		values: make(map[tenancy.ID]*list.Element), recent: list.New(), making: make(map[tenancy.ID]*making[T])}
}

// of returns the tenant's value as of a change counter or later. learn makes it,
// from one state of the database, and says as of which counter.
func (l *learned[T]) of(ctx context.Context, tenant tenancy.ID, version int64, learn func(context.Context) (T, int64, error)) (T, error) {
	for {
		kept, under := l.look(ctx, tenant, version, learn)
		if kept != nil {
			return kept.value, nil
		}
		var none T
		select {
		case <-under.done:
			switch {
			case under.err != nil:
				return none, under.err
			case under.made.version >= version:
				return under.made.value, nil
			}
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
}

// look returns the value that is kept, or else the one that is being made, which
// may be of an earlier counter.
func (l *learned[T]) look(ctx context.Context, tenant tenancy.ID, version int64, learn func(context.Context) (T, int64, error)) (*lesson[T], *making[T]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.values[tenant]; ok {
		if kept := at.Value.(*lesson[T]); kept.version >= version {
			l.recent.MoveToFront(at)
			return kept, nil
		}
	}
	under := l.making[tenant]
	if under == nil {
		under = &making[T]{done: make(chan struct{})}
		l.making[tenant] = under
		l.tasks.Go(func() { l.learn(context.WithoutCancel(ctx), tenant, under, learn) })
	}
	return nil, under
}

func (l *learned[T]) learn(ctx context.Context, tenant tenancy.ID, under *making[T], learn func(context.Context) (T, int64, error)) {
	ctx, cancel := context.WithTimeout(ctx, longestLesson)
	defer cancel()
	defer close(under.done)
	select {
	case l.slots <- struct{}{}:
		var value T
		var version int64
		value, version, under.err = learn(ctx)
		<-l.slots
		under.made = &lesson[T]{tenant, version, value}
	case <-ctx.Done():
		under.err = ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.making, tenant)
	if under.err == nil {
		l.keep(under.made)
	}
}

func (l *learned[T]) keep(made *lesson[T]) {
	if at, ok := l.values[made.tenant]; ok {
		l.drop(at)
	}
	l.values[made.tenant] = l.recent.PushFront(made)
	l.held += l.weight(made.value)
	for l.held > l.room && l.recent.Len() > 1 {
		l.drop(l.recent.Back())
	}
}

func (l *learned[T]) drop(at *list.Element) {
	old := l.recent.Remove(at).(*lesson[T])
	delete(l.values, old.tenant)
	l.held -= l.weight(old.value)
}

// forget drops what was learned of a tenant that is gone.
func (l *learned[T]) forget(tenant tenancy.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.values[tenant]; ok {
		l.drop(at)
	}
}
