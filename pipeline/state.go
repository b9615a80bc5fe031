package pipeline

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// stateVersion is the format of the committed entries. Another version is not
// read: that would be guessing at positions.
const stateVersion = "1"

// The committed entries, by the first two bytes of their keys.
const (
	keyVersion   = "v/" // one entry: stateVersion
	keyWindows   = "w/" // one entry: what open panes depend on
	keyCounters  = "c/" // one entry: counters as JSON
	keyPartition = "p/" // + id: partition as JSON
	keyPane      = "a/" // + start (8) + commit (8): what one commit added to an open pane
	keyTotal     = "t/" // + view id + "/" + key: the totals of one key
	keyGauges    = "g/" // + view id: what is shown of the last closed pane
	keyIncident  = "i/" // + uid: the last event of an open incident
	keyHushed    = "h/" // + uid: an incident whose events are held back
	keyDetector  = "d/" // + name + "/" + key: a detector's own
	keyRule      = "r/" // + name: version and configuration of a detector's state
	keyOutbox    = "o/" // + id (8) + sink: a finding still to be sent
)

// partition is the committed state of one partition.
type partition struct {
	Source    string   `json:"source"`
	Position  Position `json:"position"`
	Slice     uint64   `json:"slice"` // number of the last merged slice
	Watermark int64    `json:"watermark"`
	Beyond    int      `json:"beyond,omitempty"` // records in a row that leap ahead: see aggregate.Watermark
	Header    string   `json:"header,omitempty"` // the header line in force
	Ended     bool     `json:"ended,omitempty"`
	Children  []Start  `json:"children,omitempty"`
	Pull      bool     `json:"pull,omitempty"`

	first   int64     // its watermark after the first slice of this process
	changed bool      // since the last commit
	left    bool      // holds no watermark: ended with all children entered, or of no source that is read
	reader  Partition // while Work reads it
}

func (p *partition) encode() []byte { return mustJSON(p) }

// mustJSON encodes plain structs of our own, which can't fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("pipeline: encode %T: %v", v, err))
	}
	return b
}

// paneKey names what one commit added to an open pane; without a commit it is
// the prefix of all of them. Starts are offset so that they sort as bytes.
func paneKey(start int64, commit uint64) []byte {
	b := binary.BigEndian.AppendUint64([]byte(keyPane), uint64(start)^1<<63)
	if commit == 0 {
		return b
	}
	return binary.BigEndian.AppendUint64(b, commit)
}

func parsePaneKey(key []byte) (start int64, err error) {
	if len(key) != len(keyPane)+16 {
		return 0, fmt.Errorf("committed pane has a key of %d bytes", len(key))
	}
	return int64(binary.BigEndian.Uint64(key[len(keyPane):]) ^ 1<<63), nil
}

func outboxKey(id uint64, sink string) []byte {
	return append(binary.BigEndian.AppendUint64([]byte(keyOutbox), id), sink...)
}

func parseOutboxKey(key []byte) (id uint64, sink string, err error) {
	if len(key) < len(keyOutbox)+8 {
		return 0, "", fmt.Errorf("committed finding has a key of %d bytes", len(key))
	}
	rest := key[len(keyOutbox):]
	return binary.BigEndian.Uint64(rest), string(rest[8:]), nil
}

// windows is what the committed open panes depend on: under another pane
// length they mean nothing.
type windows struct {
	Pane int64 `json:"pane"` // seconds
}

func windowsOf(plan *aggregate.Plan) []byte { return mustJSON(windows{plan.Pane}) }
