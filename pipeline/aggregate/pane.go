package aggregate

// Pane is the aggregate of one span of event time, or of the records that
// belong to none (then only its views are filled). Panes of the same plan
// merge; the order does not matter but for samples, which are best effort.
type Pane struct {
	plan     *Plan
	views    []*Table // by the plan's order
	loads    *Loads
	contacts *Contacts
	logins   *Logins
}

func newPane(plan *Plan) *Pane {
	p := &Pane{plan: plan, views: make([]*Table, len(plan.views)), loads: newLoads(), contacts: newContacts(), logins: newLogins()}
	for i, v := range plan.views {
		p.views[i] = NewTable(v.schema)
	}
	return p
}

// Empty reports whether the pane holds nothing.
func (p *Pane) Empty() bool {
	for _, t := range p.views {
		if t.Len() > 0 {
			return false
		}
	}
	return p.loads.Len() == 0 && p.contacts.Len() == 0 && p.logins.Len() == 0
}

// room is how many rows the pane's tables have memory for.
func (p *Pane) room() int {
	n := p.contacts.table.room() + p.loads.table.room() + p.logins.table.room()
	for _, t := range p.views {
		n += t.room()
	}
	return n
}

// rows is how many rows the pane's tables have.
func (p *Pane) rows() int {
	n := p.contacts.Len() + p.loads.Len() + p.logins.Len()
	for _, t := range p.views {
		n += t.Len()
	}
	return n
}

// View returns the pane's table of view i; column 0 counts records, the view's
// integer measures follow in their order.
func (p *Pane) View(i int) *Table { return p.views[i] }

// Loads returns the ingress of every interface.
func (p *Pane) Loads() *Loads { return p.loads }

// Contacts returns what every initiator did.
func (p *Pane) Contacts() *Contacts { return p.contacts }

// Logins returns the connections to ports of remote administration.
func (p *Pane) Logins() *Logins { return p.logins }

// Merge adds all that o holds; o is not changed and shares nothing with p
// afterwards.
func (p *Pane) Merge(o *Pane) {
	for i, t := range p.views {
		t.Merge(o.views[i], nil)
	}
	p.loads.merge(o.loads)
	p.contacts.merge(o.contacts)
	p.logins.table.Merge(o.logins.table, nil)
}

// Reset empties the pane and keeps its memory.
func (p *Pane) Reset() {
	for _, t := range p.views {
		t.Reset()
	}
	p.loads.reset()
	p.contacts.reset()
	p.logins.table.Reset()
}
