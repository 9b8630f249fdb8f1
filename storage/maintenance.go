package storage

// Wake asks for a pass of maintenance soon.
func (s *Store) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // one is asked for already
	}
}
