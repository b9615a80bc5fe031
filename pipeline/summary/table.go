package summary

// totals is what is known of one source: in which directions its records went,
// and the sums of those that were ingress. With an IPv4 address it fills a cache
// line.
type totals struct {
	state   uint32 // a bit for each direction, then the number of the fewTargets
	records int64
	bytes   int64
	packets int64
	targets [3]uint64 // hashes of the first, 0 for none; most sources have no more
}

const (
	directionBits = 3
	directionMask = 1<<directionBits - 1
)

// seen reports whether the source has records of a direction.
func (t *totals) seen(direction int) bool { return t.state&(1<<direction) != 0 }

// few returns the number of the fewTargets, counted from 1; 0 for none.
func (t *totals) few() int { return int(t.state >> directionBits) }

func (t *totals) setFew(n int) { t.state = t.state&directionMask | uint32(n)<<directionBits }

type entry[K comparable] struct {
	key K
	totals
}

// pages is a list that grows without moving what it holds, so that pointers
// into it stay valid.
type pages[T any] struct {
	pages [][]T
	n     int
}

const (
	pageBits = 9
	pageSize = 1 << pageBits
)

func (p *pages[T]) at(i int) *T { return &p.pages[i>>pageBits][i&(pageSize-1)] }

// push adds a zero value.
func (p *pages[T]) push() *T {
	if p.n == len(p.pages)*pageSize {
		p.pages = append(p.pages, make([]T, pageSize))
	}
	p.n++
	return p.at(p.n - 1)
}

// table finds entries by key: an open-addressing index of (hash, number), and
// the entries.
type table[K comparable] struct {
	index   []uint64 // hash in the upper half, number of the entry + 1 in the lower; 0 is free
	entries pages[entry[K]]
}

const firstIndex = 256

// len returns the number of entries.
func (t *table[K]) len() int { return t.entries.n }

// at returns the entry of a key, a new one when there is none.
func (t *table[K]) at(key K, hash uint32) *entry[K] {
	if 4*(t.len()+1) > 3*len(t.index) {
		t.grow()
	}
	mask := uint32(len(t.index) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := t.index[i]
		if slot == 0 {
			e := t.entries.push()
			e.key = key
			t.index[i] = uint64(hash)<<32 | uint64(t.len())
			return e
		}
		if uint32(slot>>32) == hash {
			if e := t.entries.at(int(uint32(slot)) - 1); e.key == key {
				return e
			}
		}
	}
}

// slot returns what the index has where a key of this hash would be looked for
// first; the table is not empty.
func (t *table[K]) slot(hash uint32) uint64 { return t.index[hash&uint32(len(t.index)-1)] }

func (t *table[K]) grow() {
	old := t.index
	t.index = make([]uint64, max(firstIndex, 2*len(old)))
	mask := uint32(len(t.index) - 1)
	for _, slot := range old {
		if slot == 0 {
			continue
		}
		i := uint32(slot>>32) & mask
		for t.index[i] != 0 {
			i = (i + 1) & mask
		}
		t.index[i] = slot
	}
}

// all visits the entries in the order of their creation.
func (t *table[K]) all(visit func(*entry[K])) {
	for i := range t.len() {
		visit(t.entries.at(i))
	}
}
