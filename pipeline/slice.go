package pipeline

import "github.com/flowwatch/flowwatch/pipeline/aggregate"

// slice is what a front half hands to the back half: the partial of a run of
// payloads of one partition, and where that run ends. It is cut between
// payloads only.
type slice struct {
	partition string
	n         uint64 // 1, 2, 3... of the partition
	position  Position
	watermark int64 // the partition's, after the slice
	beyond    int   // of the watermark: records in a row that leap ahead
	header    string
	ended     bool
	children  []Start
	partial   *aggregate.Partial // the front half's again when merge returns
}
