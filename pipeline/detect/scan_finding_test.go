package detect

import "testing"

func TestTheStrongestVisitTellsOfTheScan(t *testing.T) {
	f := func(want int, visits ...*visit) {
		t.Helper()
		if got := strongest(visits); got != visits[want] {
			t.Errorf("another visit than number %d tells of the scan: %+v", want, got)
		}
	}
	f(0, &visit{failed: 90, pending: 20}, &visit{failed: 4}, &visit{answered: 50})
	f(1, &visit{failed: 9}, &visit{pending: 10})
	f(2, &visit{failed: 9}, &visit{failed: 3}, &visit{failed: 9})
}
