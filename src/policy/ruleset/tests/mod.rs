mod laws;
mod oracle;
mod tables;
