-- Journal and audit can be written from the first moment on.
select lakeward.ensure_partitions();
