# The outputs of the stack; null where its parameters give none.

output "findings_topic" {
  description = "Findings, one OCSF object each"
  value       = lookup(aws_cloudformation_stack.flowwatch.outputs, "FindingsTopic", null)
}

output "alarms_topic" {
  description = "Alarms of CloudWatch"
  value       = lookup(aws_cloudformation_stack.flowwatch.outputs, "AlarmsTopic", null)
}

output "state_bucket_name" {
  description = "Snapshots. It stays when the stack is deleted."
  value       = lookup(aws_cloudformation_stack.flowwatch.outputs, "StateBucketName", null)
}

output "log_group" {
  description = "flowwatch's log, with every finding"
  value       = lookup(aws_cloudformation_stack.flowwatch.outputs, "LogGroup", null)
}

output "stream_arn" {
  description = "The stream that was made"
  value       = lookup(aws_cloudformation_stack.flowwatch.outputs, "StreamArn", null)
}

output "queue_arn" {
  description = "Where a bucket's notifications go"
  value       = lookup(aws_cloudformation_stack.flowwatch.outputs, "QueueArn", null)
}

output "load_balancer_name" {
  description = "Point DomainName here, if no HostedZoneId was given"
  value       = lookup(aws_cloudformation_stack.flowwatch.outputs, "LoadBalancerName", null)
}

output "task_security_group_id" {
  description = "The group of the task"
  value       = lookup(aws_cloudformation_stack.flowwatch.outputs, "TaskSecurityGroupId", null)
}

output "scrape_target" {
  description = "For dns_sd_configs of Prometheus, type A, port 9464"
  value       = lookup(aws_cloudformation_stack.flowwatch.outputs, "ScrapeTarget", null)
}
