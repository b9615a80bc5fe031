package file

import (
	"slices"
	"strings"
)

// index finds known contents.
type index struct {
	inodes map[[2]uint64][]*file
	prints map[uint64]*file // whose print is of maxPrint bytes
	short  []*file          // the others
}

// index sorts the known contents, so that the newer ones are found first.
func (w *follower) index() *index {
	x := &index{inodes: map[[2]uint64][]*file{}, prints: map[uint64]*file{}}
	for _, f := range w.known {
		known := f.identity()
		if known.ino != 0 {
			inode := [2]uint64{known.dev, known.ino}
			x.inodes[inode] = append(x.inodes[inode], f)
		}
		if known.n == maxPrint {
			x.prints[known.print] = f
		} else {
			x.short = append(x.short, f)
		}
	}
	return x
}

// match returns the content that a file has, told by its inode and beginning or
// else by enough of the content alone; nil when it is none of them. Little
// content tells something only under a name like the one it had.
func (x *index) match(c *candidate, byInode bool) *file {
	if byInode {
		for _, f := range slices.Backward(x.inodes[[2]uint64{c.identity.dev, c.identity.ino}]) {
			if f.identity().begins(c.head) {
				return f
			}
		}
		return nil
	}
	if len(c.head) >= maxPrint {
		if f := x.prints[printOf(c.head[:maxPrint])]; f != nil {
			return f
		}
	}
	for _, f := range slices.Backward(x.short) {
		if strings.HasPrefix(c.path, f.followed.origin) && f.identity().begins(c.head) {
			return f
		}
	}
	return nil
}
