package storage
import ("testing";"time";"fmt";"maestro/tracking")
func TestTmp(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	p := newProject(t, tenant, "p")
	fill(t, tenant, p.ID, "m", 1000000)
	keep := newProject(t, tenant, "k")
	if err := tenant.DeleteProject(background, p.ID, nil); err != nil { t.Fatal(err) }
	var worst, total time.Duration
	n := 0
	for {
		a := time.Now()
		more, err := s.SweepPoints(background, 0)
		d := time.Since(a); worst = max(worst, d); total += d; n++
		if err != nil { t.Fatal(err) }
		if !more { break }
	}
	fmt.Println("sweep slices", n, "mean", total/time.Duration(n), "worst", worst)
	for _, k := range []int{100, 1000, 10000} {
	b := make([]tracking.Point, k)
	for i := range b { b[i] = point(keep.ID, fmt.Sprint("t", k, " ", i), 1, 1) }
	for range 3 {
	a := time.Now(); addPoints(t, tenant, b...); fmt.Println(k, "series", time.Since(a)) }
	}
	// deletion of a project with 11100 series
	a := time.Now()
	if err := tenant.DeleteProject(background, keep.ID, nil); err != nil { t.Fatal(err) }
	fmt.Println("delete", time.Since(a))
	a = time.Now(); s.SweepPoints(background, time.Hour); fmt.Println("sweep", time.Since(a))
}
