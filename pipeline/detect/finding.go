package detect

// Finding is one event of an incident: it opened, changed or closed.
type Finding struct {
	Rule string
	UID  string
	Seq  int
}
