package detect

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Some failures are misread as answers. Scans of three shapes, twenty of each and
// of ever more targets, are found all the same. A scan of n targets with k misread
// has n - 2k net failures, and nine are needed: 12 targets bear one error, and at
// 10 % a third of such scans have two. So those begin at 15 targets, which bear three.
func TestScanFindsMisreadScans(t *testing.T) {
	for _, k := range []struct {
		flipped float64
		least   int // targets of the smallest scan
	}{{0.05, 12}, {0.10, 15}} {
		t.Run(fmt.Sprintf("%.0f %% flipped", 100*k.flipped), func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(1000*k.flipped)))
			found := 0
			for i := range 60 {
				n := k.least + i
				all := ports("10.0.7.42", 1000, n)
				switch i % 3 {
				case 1:
					all = hosts("10.0.7.1", n, 445, 6)
				case 2:
					all = append(ports("10.0.7.42", 1000, n/2), ports("10.0.7.43", 1000, n-n/2)...)
				}
				c := internalCase(t)
				var read []tries
				for j := range all {
					story := rejected
					if random.Float64() < k.flipped {
						story = connected
					}
					read = append(read, try(insider, story, all[j:j+1]))
				}
				if c.next(read...).quiet(1); len(c.found) > 0 {
					found++
				} else {
					t.Logf("missed: %d targets, shape %d", n, i%3)
				}
			}
			if found != 60 {
				t.Errorf("%d of 60 scans were found", found)
			}
		})
	}
}
