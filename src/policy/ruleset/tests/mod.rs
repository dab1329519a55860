mod laws;
mod oracle;
