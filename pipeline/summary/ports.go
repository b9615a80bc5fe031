package summary

// ports counts records by protocol and port. The counters of 256 ports lie side
// by side, since those of one kind of client are next to one another: all the
// ephemeral ports of a protocol take 256 KiB.
type ports [256]*[256]*[256]int64 // by protocol and the halves of the port

func (p *ports) add(protocol uint8, port uint16, records int64) {
	pages := p[protocol]
	if pages == nil {
		pages = new([256]*[256]int64)
		p[protocol] = pages
	}
	page := pages[port>>8]
	if page == nil {
		page = new([256]int64)
		pages[port>>8] = page
	}
	page[port&0xff] = add(page[port&0xff], records)
}

// all visits the ports that have records, by protocol and number.
func (p *ports) all(visit func(protocol uint8, port uint16, records int64)) {
	for protocol, pages := range p {
		if pages == nil {
			continue
		}
		for high, page := range pages {
			if page == nil {
				continue
			}
			for low, records := range page {
				if records > 0 {
					visit(uint8(protocol), uint16(high<<8|low), records)
				}
			}
		}
	}
}
