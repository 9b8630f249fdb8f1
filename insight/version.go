package insight

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
)

// versionOf is the method's version and a digest of everything learned from, in
// its canonical order.
func versionOf(d *Dataset, target Target) string {
	h := sha256.New()
	writeText(h, methodVersion)
	writeText(h, target.Name)
	writeText(h, string(target.Scale))
	writeNumbers(h, target.Values)
	for i := range d.columns {
		c := &d.columns[i]
		writeText(h, c.name)
		if c.numbers != nil {
			writeNumbers(h, c.numbers)
			continue
		}
		for _, code := range c.codes {
			if code == missingCode {
				writeText(h, "")
			} else {
				writeText(h, c.levels[code])
			}
		}
	}
	return methodVersion + "-" + hex.EncodeToString(h.Sum(nil)[:8])
}

func writeText(h hash.Hash, text string) {
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text))))
	h.Write([]byte(text))
}

func writeNumbers(h hash.Hash, numbers []float64) {
	bytes := make([]byte, 0, 8*len(numbers))
	for _, v := range numbers {
		if math.IsNaN(v) {
			v = math.NaN() // one pattern of bits for all that is missing
		}
		bytes = binary.LittleEndian.AppendUint64(bytes, math.Float64bits(v))
	}
	h.Write(bytes)
}
