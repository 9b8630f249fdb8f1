package insight

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// allProcessors is the number of workers where nothing else runs beside.
func allProcessors() int { return runtime.GOMAXPROCS(0) }

// inParallel calls work for 0 … n−1 by so many workers. What the calls write must
// not depend on their order.
func inParallel(workers, n int, work func(i int)) {
	workers = min(n, workers)
	if workers <= 1 {
		for i := range n {
			work(i)
		}
		return
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				work(i)
			}
		})
	}
	group.Wait()
}
