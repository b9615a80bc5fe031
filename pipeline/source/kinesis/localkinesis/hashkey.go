package localkinesis

import (
	"cmp"
	"crypto/md5" //nolint:gosec // what Kinesis places records with, no protection
	"encoding/binary"
	"math/big"
)

// hashKey is a point of the 128-bit space that the shards of a stream share.
type hashKey struct{ hi, lo uint64 }

var (
	lastHashKey = hashKey{^uint64(0), ^uint64(0)}
	hashSpace   = new(big.Int).Lsh(big.NewInt(1), 128) // the number of points
)

// hashOf is where a partition key lies.
func hashOf(partitionKey string) hashKey {
	sum := md5.Sum([]byte(partitionKey)) //nolint:gosec // see the import
	return hashKey{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

// parseHashKey reads a decimal hash key; ok says that it lies in the space.
func parseHashKey(text string) (key hashKey, ok bool) {
	if len(text) == 0 || len(text) > 39 || (len(text) > 1 && text[0] == '0') {
		return hashKey{}, false
	}
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' {
			return hashKey{}, false
		}
	}
	n, _ := new(big.Int).SetString(text, 10)
	if n.Cmp(hashSpace) >= 0 {
		return hashKey{}, false
	}
	return fromBig(n), true
}

func fromBig(n *big.Int) hashKey {
	var bytes [16]byte
	n.FillBytes(bytes[:])
	return hashKey{binary.BigEndian.Uint64(bytes[:8]), binary.BigEndian.Uint64(bytes[8:])}
}

func (k hashKey) big() *big.Int {
	n := new(big.Int).SetUint64(k.hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(k.lo))
}

func (k hashKey) String() string { return k.big().String() }

func (k hashKey) compare(other hashKey) int {
	return cmp.Or(cmp.Compare(k.hi, other.hi), cmp.Compare(k.lo, other.lo))
}

// next is the point after k; the last one wraps to zero.
func (k hashKey) next() hashKey {
	k.lo++
	if k.lo == 0 {
		k.hi++
	}
	return k
}

// previous is the point before k; zero wraps to the last one.
func (k hashKey) previous() hashKey {
	if k.lo == 0 {
		k.hi--
	}
	k.lo--
	return k
}

// hashRange is from first to last, both included.
type hashRange struct{ first, last hashKey }

func (r hashRange) contains(k hashKey) bool {
	return r.first.compare(k) <= 0 && k.compare(r.last) <= 0
}

// evenRanges cuts the space in n ranges of the same size, as far as it goes.
func evenRanges(n int) []hashRange {
	ranges := make([]hashRange, n)
	for i := range ranges {
		first := new(big.Int).Mul(hashSpace, big.NewInt(int64(i)))
		ranges[i].first = fromBig(first.Div(first, big.NewInt(int64(n))))
	}
	for i := range ranges {
		ranges[i].last = lastHashKey
		if i+1 < n {
			ranges[i].last = ranges[i+1].first.previous()
		}
	}
	return ranges
}
