//go:build !linux

package storage

import "errors"

// syncsData says whether syncData is to be had: elsewhere SQLite's own way is kept.
const syncsData = false

func syncData(uintptr) error { return errors.ErrUnsupported }
