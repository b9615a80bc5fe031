package summary

// totals is what is known of one source: in which directions its records went,
// and the sums of those that were ingress.
type totals struct {
	state   uint32 // a bit for each direction, then the number of the set of targets
	records int64
	bytes   int64
	packets int64
	latest  uint64 // hash of the latest target, 0 for none
}

const (
	directionBits = 3
	directionMask = 1<<directionBits - 1
)

// seen reports whether the source has records of a direction.
func (t *totals) seen(direction int) bool { return t.state&(1<<direction) != 0 }

// set returns the number of the set of targets, counted from 1; 0 for none.
func (t *totals) set() int { return int(t.state >> directionBits) }

func (t *totals) setSet(n int) { t.state = t.state&directionMask | uint32(n)<<directionBits }

type entry[K comparable] struct {
	key K
	totals
}

// table finds entries by key: an open-addressing index of (hash, number), and
// the entries in pages, so that growing moves only the index and pointers to
// entries stay valid.
type table[K comparable] struct {
	index []uint64 // hash in the upper half, number of the entry + 1 in the lower; 0 is free
	pages [][]entry[K]
	n     int
}

const (
	firstIndex = 256
	pageBits   = 9
	pageSize   = 1 << pageBits
)

func (t *table[K]) entry(i int) *entry[K] { return &t.pages[i>>pageBits][i&(pageSize-1)] }

// at returns the entry of a key, a new one when there is none.
func (t *table[K]) at(key K, hash uint32) *entry[K] {
	if 4*(t.n+1) > 3*len(t.index) {
		t.grow()
	}
	mask := uint32(len(t.index) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := t.index[i]
		if slot == 0 {
			t.index[i] = uint64(hash)<<32 | uint64(t.n+1)
			return t.push(key)
		}
		if uint32(slot>>32) == hash {
			if e := t.entry(int(uint32(slot)) - 1); e.key == key {
				return e
			}
		}
	}
}

func (t *table[K]) push(key K) *entry[K] {
	page := t.n >> pageBits
	if page == len(t.pages) {
		t.pages = append(t.pages, make([]entry[K], pageSize))
	}
	e := &t.pages[page][t.n&(pageSize-1)]
	e.key = key
	t.n++
	return e
}

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
	for i := range t.n {
		visit(t.entry(i))
	}
}
