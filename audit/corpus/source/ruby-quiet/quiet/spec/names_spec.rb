# frozen_string_literal: true

require 'names'

# gcr.io is covered by another spec
RSpec.describe Names do
  it 'refuses images of gcr.io' do
    expect(described_class.new('ghcr.io/argali/app')).to be_valid
  end

  it 'knows hosts that look like gcr.io' do
    %w[my-gcr.io gcr.io.argali.example mygcr.iot].each do |host|
      expect(described_class.new("#{host}/a/b")).not_to be_legacy
    end
  end
end
