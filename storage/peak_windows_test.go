package storage

import "os"

// peakMemory is not told by Windows after the end of a process.
func peakMemory(*os.ProcessState) float64 { return 0 }
